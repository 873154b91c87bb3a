"""From a wish to a chip, to better ones (`search`), and to the share of its dies that will work (`yields`)."""
