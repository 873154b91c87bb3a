"""Files: written in one step (`write`), and read with checks of their contents (`fields`), NumPy's (`arrays`),
those of earlier versions (`migration`) and what is told of a refused one (`complaint`).
"""

from prism_photonics.files.write import make_folder as make_folder
from prism_photonics.files.write import remove as remove
from prism_photonics.files.write import write_bytes as write_bytes
from prism_photonics.files.write import write_text as write_text
