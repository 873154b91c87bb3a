"""The fitted chip as a small fast model with noise: what an ML engineer runs instead of the circuit.

``behavior.model.BehavioralModel`` is the model (JAX), ``behavior.fit.fit`` makes it from measurements.
Nothing is imported here, because the NumPy bundle reader shares ``codec.checks`` and must not load JAX.
"""
