"""From a spec to better ones (`search`), and from a spec to the share of its dies that will work (`yields`)."""
