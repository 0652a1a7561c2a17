"""What every solver returns: transport maps, their states, inverses and costs."""
