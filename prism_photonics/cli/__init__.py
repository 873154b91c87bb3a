"""The command line: arguments and progress; the work is done by `prism_photonics.workflow` and the rooms below."""
