"""Behavioral model of a fitted chip: fast, with noise, for use in place of the circuit.

``behavior.model.BehavioralModel`` is the model (JAX), ``behavior.fit.fit`` makes it from measurements.
Nothing is imported here, because the NumPy bundle reader shares ``codec.checks`` and must not load JAX.
"""
