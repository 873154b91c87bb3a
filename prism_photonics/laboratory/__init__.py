"""What a laboratory measured: files of spectra, read by their content, and what they tell of the rings."""

from prism_photonics.laboratory.read import read_sweep as read_sweep
from prism_photonics.laboratory.sweep import Sweep as Sweep
from prism_photonics.laboratory.sweep import Trace as Trace
from prism_photonics.laboratory.sweep import assign_ports as assign_ports
