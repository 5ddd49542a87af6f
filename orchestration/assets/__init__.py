"""The asset graph, one file per stage; each asset calls one function of ``core``."""
