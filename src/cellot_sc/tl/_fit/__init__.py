"""Floor 1: what a fit is, and making one."""
