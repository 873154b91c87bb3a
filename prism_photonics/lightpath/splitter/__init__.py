"""The 1×2 splitter and the tree that feeds the rows."""
