"""Bus and routing waveguides: straights, U-turns and S-branches."""
