"""What the command line promises: results on stdout, one line that says what is wrong, the right exit code."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

COMMANDS = (
    "check",
    "budget",
    "plan",
    "simulate",
    "extract",
    "calibrate",
    "track",
    "program",
    "layout",
    "export",
    "rank",
    "run",
    "explore",
    "yield",
)
WIDE = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture(scope="module")
def prism():
    """``prism("check", path)`` in this process."""
    from prism_photonics.cli.app import app

    def call(*args):
        return CliRunner().invoke(app, [str(arg) for arg in args], env=WIDE)

    return call


@pytest.fixture(scope="module")
def refused(prism):
    """Call, demand exit code 2 and one line on stderr and nothing on stdout; return the line."""

    def call(*args):
        result = prism(*args)
        assert isinstance(result.exception, SystemExit), repr(result.exception)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("prism: ")
        assert result.stderr.endswith("\n")
        assert len(result.stderr.splitlines()) == 1, result.stderr
        return result.stderr

    return call


@pytest.fixture
def demo_toml(layouts):
    return layouts / "demo_8x8" / "spec.toml"


@pytest.fixture
def edited(demo_toml, tmp_path):
    """The demonstrator's spec file with one piece of its text replaced."""

    def make(old, new):
        text = demo_toml.read_text()
        assert text.count(old) == 1
        (tmp_path / "spec.toml").write_text(text.replace(old, new))
        return tmp_path / "spec.toml"

    return make


@pytest.fixture
def copied(made_up, tmp_path):
    """The made-up record and bundle, to be damaged."""
    return shutil.copytree(made_up, tmp_path / "copied")


@pytest.fixture
def signatures(tmp_path):
    def save(array):
        np.save(tmp_path / "signatures.npy", array, allow_pickle=True)
        return tmp_path / "signatures.npy"

    return save


@pytest.fixture(scope="module")
def built_in():
    from prism_photonics.ranking.keys import KeyCache

    cache = KeyCache.load()
    arrays = {name: value for name, value in vars(cache).items() if name != "source"}
    return arrays | {"attention_scale": np.float32(cache.attention_scale)}


@pytest.fixture
def keys_file(built_in, tmp_path):
    def save(**changes):
        arrays = {name: value for name, value in (built_in | changes).items() if value is not None}
        np.savez(tmp_path / "keys.npz", **arrays)
        return tmp_path / "keys.npz"

    return save


@pytest.fixture
def short_keys(built_in, keys_file):
    """Keys of 64 tokens: four blocks of 16."""
    return keys_file(
        keys=built_in["keys"][:, :, :64],
        values=built_in["values"][:, :, :64],
        token_ids=built_in["token_ids"][:, :64],
        needle_position=np.minimum(built_in["needle_position"], 50),
        query_position=np.full_like(built_in["query_position"], 60),
    )


# ---------------------------------------------------------------- what it prints


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_reads_and_writes(prism, command):
    result = prism(command, "--help")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "Reads " in text
    assert any(word in text for word in ("writes ", "Writes ", "prints "))
    assert "--json" in text


def test_help_names_every_command_and_what_it_is_for(prism):
    result = prism("--help")
    lines = [line.strip("│ ") for line in result.stdout.splitlines()]
    for command in COMMANDS:
        said = next(line for line in lines if line.split()[:1] == [command])
        assert len(said.split()) > 3, said


def test_the_version_is_that_of_the_package(prism):
    from prism_photonics import __version__

    assert prism("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize("asked", [None, "4"])
def test_a_commands_linear_algebra_has_one_thread_unless_more_are_asked_for(asked, monkeypatch):
    from prism_photonics.cli.app import app

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", asked or "")
    if asked is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert CliRunner().invoke(app, ["--version"]).exit_code == 0
    assert os.environ["OPENBLAS_NUM_THREADS"] == (asked or "1")


def test_no_command_line_loads_numpy_before_its_threads_are_set():
    loaded = "import sys, prism_photonics.cli.app; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "False\n"


def test_check_passes_the_demonstrator_and_says_each_rule(prism, demo_toml):
    result = prism("check", demo_toml)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "feasible"
    assert "NO " not in result.stdout
    assert "fsr_aliasing" in result.stdout


def test_check_refuses_the_papers_point_by_name_and_with_a_cure(prism, layouts):
    result = prism("check", layouts / "paper_32x256" / "spec.toml", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert result.stderr == ""
    assert found["feasible"] is False
    assert {"fsr_aliasing", "tuning_range", "score_snr"} <= {v["rule"] for v in found["violations"]}
    for violation in found["violations"]:
        assert violation.keys() == {"rule", "value", "limit", "unit", "cure"}
        assert all(np.isfinite(violation[name]) for name in ("value", "limit"))
        assert len(violation["cure"].split()) > 3


def test_check_prints_the_same_verdict_for_people(prism, layouts):
    result = prism("check", layouts / "paper_32x256" / "spec.toml")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    (verdict,) = (i for i, line in enumerate(lines) if line.startswith("not feasible: "))
    # After it only what to edit, in order.
    assert [line[:5] for line in lines[verdict + 1 :] if line.startswith("  ")] == ["  1. ", "  2. ", "  3. "]
    for rule in ("fsr_aliasing", "tuning_range", "score_snr"):
        assert f"NO  {rule}" in result.stdout


def test_check_explains_every_number_where_it_is_asked_to(prism, demo_toml):
    short, long = prism("check", demo_toml), prism("check", demo_toml, "--explain")
    assert long.exit_code == 0
    added = [line for line in long.stdout.splitlines() if line not in short.stdout.splitlines()]
    rules = json.loads(prism("check", demo_toml, "--json").stdout)["findings"]
    assert len(added) == len(rules)
    assert all(line.startswith("     = ") for line in added)
    found = json.loads(prism("check", demo_toml, "--explain", "--json").stdout)
    assert [f["explain"] for f in found["findings"]] == [line.removeprefix("     = ") for line in added]


def test_a_feasible_chip_has_no_violations_in_json(prism, demo_toml):
    found = json.loads(prism("check", demo_toml, "--json").stdout)
    assert found["feasible"] is True
    assert found["violations"] == []


# ---------------------------------------------------------------- a real process


def process(*args, **settings):
    code = "from prism_photonics.cli.app import app; app()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=False, **settings
    )


def test_a_process_answers_bad_input_with_exit_code_2_and_one_line(tmp_path):
    done = process("check", tmp_path / "no.toml")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"prism: {tmp_path / 'no.toml'}: cannot read the spec (No such file")
    assert done.stderr.count("\n") == 1


def test_ranking_with_a_bundle_prints_json_alone_and_needs_no_jax(made_up, tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('ranking must not need this')")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = process("rank", made_up / "bundle", "--json", env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = json.loads(done.stdout)
    assert {line["scorer"] for line in lines} == {"ideal", "behavioral"}
    assert {line["kv_head"] for line in lines} == {0, 1, "all"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("check",), "Missing argument 'SPEC'"),
        (("checks",), "No such command 'checks'"),
        (("check", "spec.toml", "--jsn"), "No such option"),
        (("run", "spec.toml", "--seed", "-1"), "-1 is not in the range"),
        (("run", "spec.toml", "--seed", str(2**31)), "is not in the range"),
        (("rank", "bundle", "--k", "0"), "0 is not in the range"),
        (("rank", "bundle", "--block", "0"), "0 is not in the range"),
        (("rank", "bundle", "--block", "many"), "'many' is not a valid int"),
    ],
)
def test_a_misused_command_says_how_it_is_used(prism, args, message):
    result = prism(*args)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


# ---------------------------------------------------------------- bad specs


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("radius_um = 40.4", "radus_um = 40.4", "unknown key 'ring.radus_um'; did you mean 'radius_um'?"),
        ('name = "demo_8x8"', '"na\\nme" = "x"', "unknown key 'na\\nme'; did you mean 'name'?"),
        ("line_power_dBm = 3.0", "", "missing key 'comb.line_power_dBm'; add it"),
        ("gap_through_um = 0.52", "gap_through_um = 0.0", "ring.gap_through_um = 0.0: input should be greater than"),
        ("gap_drop_um = 0.52", "gap_drop_um = -0.40", "ring.gap_drop_um = -0.4: input should be greater than"),
        ("max_voltage_V = 20.0", "max_voltage_V = 1e6", "drive.max_voltage_V = 1000000.0: input should be less than"),
        ("spacing_nm = 0.43", "spacing_nm = nan", "comb.spacing_nm = nan: input should be a finite number"),
        ("spacing_nm = 0.43", "spacing_nm = -inf", "comb.spacing_nm = -inf: input should be a finite number"),
        ("spacing_nm = 0.43", 'spacing_nm = "one"', "comb.spacing_nm = 'one': input should be a valid number"),
        ("spacing_nm = 0.43", "spacing_nm = 0.43\nspacing_nm = 2.0", "not valid TOML"),
        ("[comb]", "[[comb]]", "comb = ["),
        ("rows = 8", "rows = 8.5", "chip.rows = 8.5: input should be a valid integer"),
        ('"tfln600"', '"../tfln600"', "unknown profile '../tfln600'"),
        ('name = "demo_8x8"', 'name = "../../evil"', "name = '../../evil': string should match"),
        ('encoding = "two_shot"', 'encoding = "three_shot"', "modulator.encoding = 'three_shot'"),
    ],
)
def test_a_wrong_value_in_a_spec_is_named_with_its_cure(refused, edited, old, new, message):
    path = edited(old, new)
    line = refused("check", path)
    assert line.startswith(f"prism: {path}: ")
    assert message in line
    assert ";" in line


@pytest.mark.parametrize("end", range(0, 2600, 130))
def test_a_spec_cut_anywhere_is_refused(refused, demo_toml, tmp_path, end):
    path = tmp_path / "cut.toml"
    path.write_bytes(demo_toml.read_bytes()[:end])
    line = refused("check", path)
    told = (
        "not valid TOML",
        "missing key",
        "missing table",
        "not UTF-8 text",
        "mend the value",
    )  # of a number cut short
    assert any(words in line for words in told)


@pytest.mark.parametrize(
    ("bench", "light", "message"),
    [
        ("virtual:0", "tunable_lazer", "tunable_laser"),
        ("bench.toml", "tunable_laser", "leave --light out"),
        ("recorded:somewhere", "comb", "leave --light out"),
    ],
)
def test_light_that_a_bench_cannot_have_is_refused(refused, demo_toml, tmp_path, bench, light, message):
    """One line, and nothing is written."""
    from prism_photonics.units import InputError
    from prism_photonics.workflow.bench import virtual_light

    with pytest.raises(InputError, match=message):
        virtual_light(light, bench)
    if not bench.startswith(("bench", "recorded")):
        assert message in refused("calibrate", demo_toml, "-o", tmp_path / "out", "--bench", bench, "--light", light)
        assert not (tmp_path / "out").exists()


def test_a_spec_that_is_no_text_file_is_refused(refused, tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8 text" in refused("check", tmp_path / "bytes.toml")
    assert "Is a directory" in refused("check", tmp_path)
    assert "No such file" in refused("check", tmp_path / "two\nlines.toml")


@pytest.mark.parametrize("command", ["simulate", "calibrate", "layout", "run"])
def test_every_command_that_takes_a_spec_refuses_a_missing_one(refused, tmp_path, command):
    line = refused(command, tmp_path / "no.toml", "-o", tmp_path / "out")
    assert "no.toml: cannot read the spec (No such file or directory); give the path" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["calibrate", "layout", "run"])
def test_a_chip_that_is_not_feasible_is_not_made(refused, layouts, tmp_path, command):
    line = refused(command, layouts / "paper_32x256" / "spec.toml", "-o", tmp_path / "out")
    assert "paper_32x256: not feasible" in line
    assert "fsr_aliasing" in line
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- bad benches, folders, choices


@pytest.mark.parametrize(
    "bench",
    ["nonsense", "virtual", "virtual:", "virtual:-1", "virtual:x", "virtual:²", "real:3", "virtual:1\n2"],
)
def test_an_unknown_bench_is_refused_with_an_example(refused, demo_toml, tmp_path, bench):
    line = refused("calibrate", demo_toml, "-o", tmp_path / "out", "--bench", bench)
    assert "unknown bench; use virtual:SEED, such as virtual:0" in line


@pytest.mark.parametrize("seed", ["2147483648", "9" * 30, "9" * 5000], ids=len)
def test_a_bench_seed_beyond_the_range_is_refused(refused, demo_toml, tmp_path, seed):
    line = refused("calibrate", demo_toml, "-o", tmp_path / "out", "--bench", f"virtual:{seed}")
    assert f"want 0 to {2**31 - 1}" in line


@pytest.mark.parametrize("command", ["calibrate", "layout", "run"])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(refused, demo_toml, tmp_path, command):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        line = refused(command, demo_toml, "-o", place)
        assert f"{place}: cannot be written (a file stands where a folder should); choose" in line
    assert (tmp_path / "file").read_text() == "in the way"


def test_results_that_cannot_be_written_are_refused(refused, made_up, signatures, tmp_path):
    (tmp_path / "file").write_text("in the way")
    below = tmp_path / "file" / "below"
    assert "a file stands where a folder should" in refused("export", made_up / "record", "-o", below)
    given = signatures(np.eye(3))
    assert "a file stands where" in refused("program", made_up / "record", given, "-o", below)
    assert "cannot be written (Is a directory)" in refused("program", made_up / "record", given, "-o", tmp_path)


@pytest.mark.parametrize("k", ["64", "65", "9" * 30])
def test_choosing_all_blocks_is_refused(refused, made_up, k):
    line = refused("rank", made_up / "bundle", "--k", k)
    assert f"k: got {k}, want 1 to 63: built-in kv_1k.npz has 64 blocks of 16 tokens; choose fewer" in line


@pytest.mark.parametrize("block", ["1024", "1025", "9" * 30])
def test_a_block_as_long_as_the_context_is_refused(refused, made_up, block):
    line = refused("rank", made_up / "bundle", "--block", block)
    assert f"block: got {block} tokens, want fewer than the 1024 of built-in kv_1k.npz; choose shorter" in line


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "command",
    [
        ("bench", "serve", "demo_8x8", "--port", "0", "--time-scale"),
        ("track", "demo_8x8", "-o", "x", "--minutes"),
        ("track", "demo_8x8", "-o", "x", "--interval"),
        ("track", "demo_8x8", "-o", "x", "--check"),
        ("program", "x", "x.npy", "-o", "x.npz", "--hold-s"),
        ("needle", "train", "x", "--seconds"),
    ],
)
def test_no_option_takes_what_is_no_finite_number(prism, command, number):
    """``nan`` lies within any range that is tested by its ends."""
    result = prism(*command, number)
    assert result.exit_code == 2
    assert "is not a finite number" in result.stderr or "is not in the range" in result.stderr


@pytest.mark.parametrize("option", ["--dual-rail", "--circuit", "--selectors", "-o"])
def test_what_only_the_table_of_a_model_has_is_refused_without_one(refused, made_up, tmp_path, option):
    """It was left out in silence, whatever it named."""
    said = refused("rank", made_up / "bundle", option, tmp_path / "nothing")
    assert f"{option}: only the table of --model has it" in said


# ---------------------------------------------------------------- bad keys


def test_keys_with_too_few_blocks_are_refused_before_any_work(refused, demo_toml, made_up, short_keys, tmp_path):
    expected = f"k: got 8, want 1 to 3: {short_keys} has 4 blocks of 16 tokens"
    assert expected in refused("run", demo_toml, "--keys", short_keys, "-o", tmp_path / "out")
    assert expected in refused("rank", made_up / "bundle", "--keys", short_keys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["rank", "run"])
def test_keys_that_do_not_fit_are_refused(refused, demo_toml, made_up, keys_file, built_in, tmp_path, command):
    def line(path):
        args = (made_up / "bundle",) if command == "rank" else (demo_toml, "-o", tmp_path / "out")
        return refused(command, *args, "--keys", path)

    missing = line(keys_file(queries=None))
    assert "keys.npz: the file lacks queries, want" in missing
    assert "dump it again" in missing
    assert "queries has shape (8, 4, 32, 16), want (sequence 8, head 4, query 32, dim 32)" in line(
        keys_file(queries=built_in["queries"][..., :16])
    )
    assert "keys = nan at sequence 0, kv_head 0, token 0, dim 0" in line(
        keys_file(keys=np.full_like(built_in["keys"], np.nan))
    )
    whole = keys_file()
    whole.write_bytes(whole.read_bytes()[:5000])
    assert "no readable npz (truncated, damaged or pickled)" in line(whole)
    whole.write_text("text")
    assert "no readable npz" in line(whole)
    assert "(No such file or directory), want an npz file" in line(tmp_path / "no.npz")
    assert "(Is a directory)" in line(tmp_path)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- bad signatures


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.array([[0.0, 1.0], [np.nan, 0.0]]),
            "signatures = nan at block 1, dim 0, want -1e+100 to 1e+100; mend or drop",
        ),
        (np.array([[0.0, -np.inf]]), "signatures = -inf at block 0, dim 1, want -1e+100 to 1e+100; mend or drop"),
        (np.array([[0, np.longdouble("1e4000")]]), "signatures = inf at block 0, dim 1"),
        (np.zeros(8), "got float64 of shape (8,), want real numbers (blocks, dims); save one"),
        (np.zeros((2, 3, 4)), "got float64 of shape (2, 3, 4), want"),
        (np.zeros((0, 8)), "got float64 of shape (0, 8), want"),
        (np.zeros((8, 0)), "got float64 of shape (8, 0), want"),
        (np.zeros((2, 2), complex), "got complex128 of shape (2, 2), want real"),
        (np.ones((2, 2), bool), "got bool of shape (2, 2), want real"),
        (np.array([["a", "b"]]), "got <U1 of shape (1, 2), want real"),
        (np.zeros((2, 2), [("re", "f8")]), "of shape (2, 2), want real"),
        (np.zeros((2, 2), "M8[s]"), "got datetime64[s] of shape (2, 2), want real"),
    ],
)
def test_signatures_that_are_no_numbers_are_refused(refused, made_up, signatures, tmp_path, array, message):
    path = signatures(array)
    line = refused("program", made_up / "record", path, "-o", tmp_path / "volts.npz")
    assert line.startswith(f"prism: {path}: ")
    assert message in line
    assert not (tmp_path / "volts.npz").exists()


class Trap:
    """An object whose unpickling leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def test_pickled_signatures_are_refused_and_not_run(refused, made_up, signatures, tmp_path):
    trace = tmp_path / "the pickle was run"
    path = signatures(np.array([[Trap(str(trace)), 1.0]], object))
    np.load(path, allow_pickle=True)
    trace.rmdir()  # the trap works
    line = refused("program", made_up / "record", path, "-o", tmp_path / "volts.npz")
    assert "Python objects" in line
    assert not trace.exists()


def test_files_that_are_no_signatures_are_refused(refused, made_up, signatures, tmp_path):
    def line(path):
        return refused("program", made_up / "record", path, "-o", tmp_path / "volts.npz")

    whole = signatures(np.zeros((64, 32)))
    raw = whole.read_bytes()
    for content in (
        b"",
        raw[:5],
        raw[:60],
        raw[:-1],
        b"text",
        raw.replace(b"(64, 32), }        ", b"(10**9,), }        "),
    ):
        whole.write_bytes(content)
        assert "got no readable .npy array of numbers" in line(whole)
    whole.write_bytes(raw.replace(b"(64, 32), }              ", b"(9999999999999, 9999), }"))  # promises 0.7 exabyte
    assert "got no readable .npy array of numbers" in line(whole)
    np.savez(tmp_path / "archive.npz", np.zeros((2, 2)))
    assert "an archive" in line(tmp_path / "archive.npz")
    assert "cannot be read (No such file or directory), want a .npy array" in line(tmp_path / "no.npy")
    assert "cannot be read (Is a directory)" in line(tmp_path)


# ---------------------------------------------------------------- bad records and bundles


RECORDS = {"validation.nc": "export", "calibration.nc": "program"}


@pytest.fixture
def use(refused, copied, signatures, tmp_path):
    """Hand the copied record to the command that reads one of its files; return the refusal."""

    def call(name):
        given = (signatures(np.eye(3)),) if RECORDS[name] == "program" else ()
        return refused(RECORDS[name], copied / "record", *given, "-o", tmp_path / "out")

    return call


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_refused(use, copied, name):
    path = copied / "record" / name
    raw = path.read_bytes()
    for cut in (0, 3, 100, len(raw) // 2, len(raw) - 9):
        path.write_bytes(raw[:cut])
        assert f"{path}: not a readable record (truncated or damaged); calibrate again" in use(name)
    edited = bytearray(raw)
    edited[-100] ^= 64
    path.write_bytes(edited)
    assert "the content does not match its hash" in use(name)
    path.write_bytes(raw.replace(b"prism_photonics.", b"other_photonics.", 1))
    assert "this version reads 'prism_photonics." in use(name)
    shutil.copy(copied / "record" / next(other for other in RECORDS if other != name), path)
    assert "this version reads 'prism_photonics." in use(name)
    path.unlink()
    assert f"{path}: no such file; make it with 'prism calibrate'" in use(name)
    path.mkdir()
    assert f"{path}: cannot be read (Is a directory)" in use(name)


@pytest.mark.parametrize("name", RECORDS)
def test_any_changed_bit_of_a_record_is_refused_or_carries_nothing(copied, name):
    from prism_photonics.calibration.calibration import Calibration
    from prism_photonics.calibration.record import leaves, read_record
    from prism_photonics.characterize.accuracy import Validation
    from prism_photonics.units import InputError

    def numbers(path):
        if name == "validation.nc":
            return vars(Validation.read(path))
        calibration, spec, extra = read_record(path)
        assert isinstance(calibration, Calibration)
        return leaves(calibration) | {"spec": spec.hash, "extra": str(extra), "triggers": calibration.triggers}

    path = copied / "record" / name
    raw, whole, dice = path.read_bytes(), numbers(path), np.random.default_rng(0)
    refusals = []
    for place in dice.integers(0, len(raw), 150):
        edited = bytearray(raw)
        edited[place] ^= 1 << int(dice.integers(8))
        path.write_bytes(edited)
        try:
            found = numbers(path)
        except InputError as error:
            refusals.append(str(error))
        else:
            assert all(np.array_equal(found[key], whole[key]) for key in whole), place
    assert len(refusals) > 100
    assert not any("\n" in refusal for refusal in refusals)


def test_a_record_folder_that_does_not_exist_is_refused(refused, signatures, tmp_path):
    assert "no such file; make it with 'prism calibrate'" in refused("export", tmp_path / "no", "-o", tmp_path / "b")
    given = signatures(np.eye(3))
    line = refused("program", tmp_path / "no", given, "-o", tmp_path / "v.npz")
    assert "no such file; make it with 'prism calibrate'" in line


def test_the_two_files_of_a_record_must_belong_to_one_spec(use, copied, altered, small):
    from dataclasses import replace

    from prism_photonics.characterize.accuracy import Validation

    path = copied / "record" / "validation.nc"
    other = altered(small, drive={"max_voltage_V": 9.0})
    replace(Validation.read(path), spec_hash=other.hash).write(path)
    line = use("calibration.nc")
    assert f"validation.nc: belongs to spec '{other.hash[:12]}', its chip to '{small.hash[:12]}'" in line
    assert "calibrate again" in line


def test_a_damaged_bundle_is_refused(refused, copied, tmp_path):
    bundle = copied / "bundle"
    for name in ("bundle.json", "bundle.safetensors"):
        raw = (bundle / name).read_bytes()
        (bundle / name).write_bytes(raw[:-20])
        assert f"{name}: got " in refused("rank", bundle)
        (bundle / name).write_bytes(raw.replace(b"2", b"3", 1) if name.endswith("json") else raw[:-1] + b"\x01")
        line = refused("rank", bundle)
        assert "edited" in line
        assert "export the bundle again" in line
        (bundle / name).unlink()
        assert "got no such file, want a complete bundle" in refused("rank", bundle)
        (bundle / name).write_bytes(raw)
    assert "no such folder, want one that `prism export` wrote" in refused("rank", tmp_path / "no")
    assert "no such folder" in refused("rank", bundle / "bundle.json")


# ---------------------------------------------------------------- signatures of any size


def test_signatures_of_another_size_than_the_chip_are_cut_into_tiles(prism, made_up, signatures, tmp_path):
    given = 7.0 * np.random.default_rng(0).uniform(-1.0, 1.0, (5, 7))
    result = prism(
        "program",
        made_up / "record",
        signatures(given),
        "-o",
        tmp_path / "new" / "volts.npz",
        "--json",
        "--scale",
        "max",
    )
    found = json.loads(result.stdout)
    assert result.stderr == ""
    assert (found["pages"], found["slices"]) == (3, 3)  # 2 rows and 3 channels
    assert found["signature_scale"] == np.abs(given).max()
    assert found["out_of_reach"] == []
    with np.load(tmp_path / "new" / "volts.npz") as volts:
        assert volts["volts_V"].shape == volts["predicted"].shape == volts["residual"].shape == (3, 3, 2, 3)
        assert np.abs(volts["volts_V"]).max() <= 10.0
        assert np.abs(volts["residual"]).max() == found["residual_max"] < 2e-3
