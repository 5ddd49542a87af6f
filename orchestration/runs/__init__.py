"""How runs are requested, queued and monitored, and how their failures are described."""
