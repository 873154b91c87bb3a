"""The electro-optic add-drop microring."""
