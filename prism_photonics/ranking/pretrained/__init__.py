"""A real pretrained language model: how to get it, the questions it is asked, and a signature distilled from it."""
