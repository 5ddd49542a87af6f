"""Item-item co-occurrence on the walks."""
