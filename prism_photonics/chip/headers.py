"""Headers of SCPI commands, by whether their parameters can be a voltage and so are held to the limit.

Written as SCPI-99 writes them: capitals are the short form, brackets hold nodes that may be left out. A header that is
on no list means nothing to the guard (`guard`), which then lets neither number nor word pass under it.
"""

import itertools
import re

# Source of the meanings: SCPI-99, vol. 2 (command reference), the chapters named; DIAGnostic is of the served chip.
HARMLESS = (
    # SENSe, CALCulate's neighbours: how a meter treats its input.
    "[SENSe]:AVERage[:STATe]", "[SENSe]:AVERage:COUNt", "[SENSe]:AVERage:TCONtrol", "[SENSe]:NPLCycles",
    "SENSe:FUNCtion:CONCurrent", "SENSe:CURRent[:DC]:RANGe[:UPPer]",
    "SENSe:CURRent[:DC]:RANGe:AUTO", "[SENSe]:CURRent[:DC]:NPLCycles", "[SENSe]:CURRent[:DC]:APERture",
    "[SENSe]:CURRent[:DC]:AVERage:COUNt", "[SENSe]:CURRent[:DC]:AVERage[:STATe]", "SENSe:VOLTage[:DC]:RANGe[:UPPer]",
    "SENSe:VOLTage[:DC]:RANGe:AUTO", "[SENSe]:VOLTage[:DC]:NPLCycles", "[SENSe]:VOLTage[:DC]:APERture",
    "SENSe:CURRent[:DC]:PROTection[:LEVel]",
    # INITiate, ARM and TRIGger: when a reading is taken.
    "INITiate:CONTinuous", "TRIGger[:SEQuence]:COUNt", "TRIGger[:SEQuence]:DELay", "TRIGger[:SEQuence]:TIMer",
    "ARM[:SEQuence][:LAYer]:COUNt", "ARM[:SEQuence][:LAYer]:TIMer", "SAMPle:COUNt",
    # INSTrument and ROUTe: which output.
    "INSTrument[:SELect]", "INSTrument:NSELect", "ROUTe:CLOSe", "ROUTe:OPEN",
    # STATus, FORMat, DISPlay and SYSTem: registers, text and the front panel.
    "STATus:OPERation:ENABle", "STATus:QUEStionable:ENABle", "STATus:OPERation:PTRansition",
    "STATus:OPERation:NTRansition", "STATus:QUEStionable:PTRansition", "STATus:QUEStionable:NTRansition",
    "FORMat[:DATA]", "FORMat:BORDer", "FORMat:SREGister", "FORMat:ELEMents", "DISPlay[:WINDow][:STATe]",
    "DISPlay:ENABle", "DISPlay[:WINDow]:TEXT[:DATA]", "DISPlay[:WINDow]:TEXT:STATe", "DISPlay:DIGits",
    "SYSTem:BEEPer[:IMMediate]", "SYSTem:BEEPer:STATe", "SYSTem:AZERo[:STATe]", "SYSTem:RSENse", "SYSTem:DATE",
    "SYSTem:TIME", "SYSTem:LFRequency", "SYSTem:KLOCk", "SYSTem:ZCHeck[:STATe]",
    "DIAGnostic:WAIT",
    # Light, and how it is logged: a wavelength is no voltage, whatever box it is sent to.
    "[SOURce]:WAVelength", "[SOURce]:WAVelength:SWEep:STARt", "[SOURce]:WAVelength:SWEep:STOP",
    "[SOURce]:WAVelength:SWEep:STEP", "[SOURce]:WAVelength:SWEep:SPEed", "SENSe:LOGGing:POINts", "SENSe:RANGe",
    "SENSe:RANGe:AUTO", "ROUTe:BUS",
)  # fmt: skip
"""No number under these drives an output, whatever it is."""

SWITCHES = ("OUTPut[:STATe]", "[SOURce]:POWer:STATe", "[SOURce]:WAVelength:SWEep:STATe")
"""On or off: 1, 0 or the words, for some outputs or all."""

WORDED = (
    # When something happens.
    "INITiate[:IMMediate]", "INITiate:LOGGing", "ABORt", "ARM[:SEQuence][:LAYer][:IMMediate]",
    "ARM[:SEQuence][:LAYer]:SOURce", "TRIGger[:SEQuence][:IMMediate]", "TRIGger[:SEQuence]:SOURce",
    # How an output is switched off, and what stops it.
    "OUTPut:PROTection:CLEar", "OUTPut:SMODe", "OUTPut:OFF:MODE", "OUTPut:ENABle[:STATe]", "OUTPut:RELay[:STATe]",
    "[SOURce]:CLEar[:IMMediate]", "[SOURce]:VOLTage:PROTection:CLEar", "[SOURce]:CURRent:PROTection:CLEar",
    "[SOURce]:VOLTage:RANGe:AUTO", "[SOURce]:CURRent:RANGe:AUTO", "[SOURce]:CURRent:PROTection:STATe",
    # How a meter looks at its input, and where readings go.
    "CONFigure:CURRent[:DC]", "CALCulate:STATe", "TRACe:CLEar", "TRACe:FEED", "TRACe:FEED:CONTrol",
    "ROUTe:TERMinals", "ROUTe:OPEN:ALL",
    # Registers, the front panel, and who has the instrument.
    "STATus:PRESet", "DISPlay:CLEar", "DISPlay[:WINDow]:TEXT:CLEar", "SYSTem:REMote", "SYSTem:RWLock", "SYSTem:LOCal",
    "SYSTem:LOCK[:STATe]", "SYSTem:LOCK:RELease", "SYSTem:COMMunicate:RLSTate", "SYSTem:CLEar", "LXI:IDENtify[:STATe]",
)  # fmt: skip
"""No word under these makes an output give more than it was set to; a number may."""

SENSED = ("SENSe:FUNCtion[:ON]", "SENSe:FUNCtion:OFF")
"""Headers that choose a meter's quantity: current or voltage; to read a resistance it drives its input."""

LEVELS = (
    "[SOURce]:VOLTage[:LEVel][:IMMediate][:AMPLitude]", "[SOURce]:VOLTage[:LEVel]:TRIGgered[:AMPLitude]",
    "[SOURce]:VOLTage:RANGe[:UPPer]", "[SOURce]:VOLTage:PROTection[:LEVel]", "[SOURce]:VOLTage:LIMit[:LEVel]",
    "[SOURce]:VOLTage:ILIMit[:LEVel]", "[SOURce]:CURRent[:LEVel][:IMMediate][:AMPLitude]",
    "[SOURce]:CURRent:RANGe[:UPPer]", "[SOURce]:CURRent:PROTection[:LEVel]", "[SOURce]:CURRent:LIMit[:LEVel]",
    "[SOURce]:HEATer", "[SOURce]:POWer[:LEVel][:IMMediate][:AMPLitude]", "[SOURce]:TRANsmission",
)  # fmt: skip
"""A plain number under these is what the output may reach, so it must be within the limit."""

UNLIKE_VOLTS = ("[SOURce]:HEATer", "[SOURce]:POWer[:LEVel][:IMMediate][:AMPLitude]", "[SOURce]:TRANsmission",
    "[SOURce]:CURRent[:LEVel][:IMMediate][:AMPLitude]")  # fmt: skip
"""Settings that have a limit of their own, in another unit than V."""

MODES = ("[SOURce]:FUNCtion[:MODE]", "[SOURce]:FUNCtion:SHAPe", "[SOURce]:VOLTage:MODE", "[SOURce]:CURRent:MODE",
    "[SOURce]:MODE")  # fmt: skip
"""Functions of an output: only the words for a constant voltage are let through."""

COMMON = ("*CLS", "*OPC", "*RST", "*TRG", "*WAI")
"""IEEE 488.2 common commands without data that recall nothing."""
COMMON_QUERIES = ("*ESE?", "*ESR?", "*IDN?", "*IST?", "*LRN?", "*OPC?", "*OPT?", "*PRE?", "*PSC?", "*SRE?", "*STB?")
"""IEEE 488.2 questions that do nothing else; ``*TST?`` and ``*CAL?`` may drive an output."""
COMMON_MASKS = ("*ESE", "*PSC", "*SRE")
"""IEEE 488.2 common commands whose number is a mask of bits."""

RECALLING = {"EXEC", "EXECUTE", "LIST", "LOAD", "MACR", "MACRO", "PROG", "PROGRAM", "RCL", "REC", "RECALL", "RUN"}
"""Nodes that fetch a state or a program whose voltages stand nowhere in the command."""

DRIVING = {"CAL", "CALIBRATION", "TEST", "TST", "SELF", "RES", "RESISTANCE", "FRES", "FRESISTANCE", "PRES", "PRESET"}
"""Nodes under which even a question drives an output: what calibrates, tests itself or reads a resistance."""

_NODE = re.compile(r"(\[)?:?([A-Za-z]+)\]?")


class Headers:
    """A set of headers in every spelling that SCPI allows."""

    def __init__(self, *notations: str) -> None:
        self._paths = {path for notation in notations for path in _spellings(notation)}

    def __contains__(self, nodes: tuple[str, ...]) -> bool:
        """Whether a header, split at its colons and without numeric suffixes, is one of these."""
        return tuple(node.upper() for node in nodes) in self._paths


def _spellings(notation: str) -> set[tuple[str, ...]]:
    choices: list[list[tuple[str, ...]]] = []
    for optional, word in _NODE.findall(notation):
        short = "".join(letter for letter in word if letter.isupper())
        choices.append([(short,), (word.upper(),), *([()] if optional else [])])
    return {tuple(itertools.chain(*parts)) for parts in itertools.product(*choices)} - {()}
