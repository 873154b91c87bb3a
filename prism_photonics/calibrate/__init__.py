"""Measurements in, fitted rings with error bars out. The chip's truth is never read: only its photocurrents."""
