"""Files: written in one step (`write`), and read with checks of their contents (`fields`), NumPy's (`arrays`), and
those of earlier versions (`migration`).
"""

from prism_photonics.files.write import make_folder as make_folder
from prism_photonics.files.write import remove as remove
from prism_photonics.files.write import write_bytes as write_bytes
from prism_photonics.files.write import write_text as write_text
