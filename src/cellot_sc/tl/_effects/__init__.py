"""Floor 2: what the maps say of cells."""
