"""The edge coupler: fibre to chip."""
