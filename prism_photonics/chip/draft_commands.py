"""Commands that a drafted bench file shows: those that a served chip understands, as SCPI names them."""

COMMANDS: dict[str, dict[str, str | list[str]]] = {
    "voltage_source": {"set": "SOUR:VOLT {values:.12g},(@{channels})", "query": "SOUR:VOLT? (@{channels})"},
    "heater_source": {"set": "SOUR:HEAT {values},(@{channels})"},
    "light_source": {"set": "SOUR:TRAN {values:.12g},(@{channels})"},
    "current_meter": {"average": "SENS:AVER:COUN {averages}", "trigger": "INIT", "read": "FETC? (@{channels})"},
}
SWEPT_COMMANDS: dict[str, dict[str, str | list[str]]] = {
    "laser": {
        "wavelength": "SOUR:WAV {wavelength_nm:.12g}",
        "query": "SOUR:WAV?",
        "lit": "SOUR:POW:STAT 1",
        "dark": "SOUR:POW:STAT 0",
        "state": "SOUR:WAV:STAT?",
        "sweep": [
            "SOUR:WAV:SWE:STAR {start_nm:.12g}",
            "SOUR:WAV:SWE:STOP {stop_nm:.12g}",
            "SOUR:WAV:SWE:STEP {step_nm:.12g}",
            "SOUR:WAV:SWE:SPE {speed_nm_s:.12g}",
        ],
        "sweep_start": "SOUR:WAV:SWE:STAT 1",
        "sweep_state": "SOUR:WAV:SWE:STAT?",
        "sweep_stop": "SOUR:WAV:SWE:STAT 0",
        "logged": "READ:DATA?",
    },
    "current_meter": {
        "average": "SENS:AVER:COUN {averages}",
        "trigger": "INIT",
        "read": "FETC? (@{channels})",
        "range": "SENS:RANG {range_number}",
        "log": ["SENS:AVER:COUN {averages}", "SENS:LOGG:POIN {points}", "INIT:LOGG"],
        "log_state": "SENS:LOGG:STAT?",
        "log_read": "FETC:LOGG? (@{channels})",
    },
}
"""The same of a bench with a tunable laser, where they differ."""
SERVED_COMMANDS = {
    "lock": ("SYST:LOCK:REQ?", "has the instrument alone"),
    "unlock": ("SYST:LOCK:REL", ""),
    "wait": ("DIAG:WAIT {seconds}", "moves the simulated chip's clock; a real bench has none"),
    "clock": ("DIAG:CLOC?", ""),
}
"""What a served chip has beyond real instruments, and why."""
