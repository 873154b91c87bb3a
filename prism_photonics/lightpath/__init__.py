"""Devices in the order in which light meets them: source, modulator, coupler, splitter, waveguide, ring, detector.

Each device has ``design.py`` (geometry), ``model.py`` (optics, JAX), ``saxmodel.py`` (the same for SAX) and,
where it is drawn, ``cell.py`` (gdsfactory). SAX takes seconds to import, so only netlists ask for it.
"""
