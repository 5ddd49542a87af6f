"""One short script per page; what they show is worked out by the modules of ``explorer``."""
