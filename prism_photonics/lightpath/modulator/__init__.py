"""The query modulators: one per channel, and how a signed query becomes light."""
