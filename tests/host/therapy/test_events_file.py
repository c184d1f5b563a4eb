"""Events files: every kind is read; what is wrong is named."""
# ruff: noqa: E501 -- messages are quoted whole

from fractions import Fraction
from pathlib import Path

import pytest

from host.therapy.samples import MORPHINE
from thecal.emulator import injections as faults
from thecal.errors import TherapyError
from thecal.simulation.scenario import models
from thecal.simulation.scenario.load import load_events, parse_events

HOUR = 3_600_000_000

# Every event of the contract, out of order on purpose.
ALL = """\
[[event]]
at = "2h"
do = "patient_bolus"
[[event]]
at = "1.00001h"
do = "clinician_bolus"
dose = "0.2 mg"
duration = "10 min"
[[event]]
at = "4h"
do = "stop"
for = "20 min"
[[event]]
at = "5h"
do = "resume"
[[event]]
at = "6h"
do = "program"
file = "sub/next.toml"
[[event]]
at = "1d"
do = "refill"
volume = "40 mL"
residual = "3.1 mL"
[[event]]
at = "1d"
do = "set_clock"
offset = "+1h"
[[event]]
at = "25h"
do = "implant"
[[event]]
at = "25h"
do = "prime"
dry = true
[[event]]
at = "26h"
do = "cancel_plan"
[[event]]
at = "27h"
do = "skip_bridge"
[[event]]
at = "8h"
inject = "motor_stall"
for = "10min"
[[event]]
at = "9h"
inject = "power_cut"
for = "1min"
[[event]]
at = "10h"
inject = "over_delivery"
factor = "1.2"
[[event]]
at = "11h"
inject = "battery_level"
percent = 5
[[event]]
at = "12h"
inject = "temperature"
celsius = 43
[[event]]
at = "13h"
inject = "link_noise"
bit_error_rate = "1e-4"
[[event]]
at = "14h"
inject = "link_flood"
for = "1h"
[[event]]
at = "15h"
inject = "flash_bit_flip"
[[event]]
at = "16h"
inject = "planner_fault"
[[event]]
at = "0s"
inject = "sensor_stuck"
[[event]]
at = "17h"
inject = "sensor_missing"
sensor = "battery"
for = "1h"
[[event]]
at = "17h"
inject = "sensor_noise"
sensor = "downstream"
[[event]]
at = "18h"
inject = "occlusion"
where = "upstream"
for = "1h"
[[event]]
at = "19h"
inject = "hang"
[[event]]
at = "19h"
inject = "watchdog_bite"
[[event]]
at = "20h"
inject = "memory_flip"
name = "delivery.permit"
bit = 3
[[event]]
at = "21h"
inject = "code_damage"
for = "1h"
[[event]]
at = "22h"
inject = "buzzer_broken"
[[event]]
at = "23h"
inject = "press_button"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "next.toml").write_text(MORPHINE)
    (tmp_path / "events.toml").write_text(ALL)
    return tmp_path


def test_every_kind_of_event(folder: Path):
    found = load_events(folder / "events.toml")
    assert {event.what for event in found} == {*models.DO, *faults.INJECT}
    assert [event.at_us for event in found] == sorted(event.at_us for event in found)
    by_name = {event.what: event for event in found}
    stop, prime = by_name["stop"], by_name["prime"]
    assert isinstance(stop, models.StopEvent)
    assert isinstance(prime, models.PrimeEvent)
    assert (stop.resume_after_s, prime.dry) == (1200, True)
    bolus, program, clock = by_name["clinician_bolus"], by_name["program"], by_name["set_clock"]
    assert isinstance(bolus, models.ClinicianBolusEvent)
    assert (bolus.at_us, bolus.dose_ng, bolus.duration_us, bolus.extended) == (
        3_600_036_000,
        200_000,
        600_000_000,
        False,
    )
    assert isinstance(program, models.ProgramEvent)
    assert program.therapy.name == "sample"
    assert isinstance(clock, models.SetClockEvent)
    assert clock.offset_us == HOUR
    refill, noise, over = by_name["refill"], by_name["link_noise"], by_name["over_delivery"]
    assert isinstance(refill, models.RefillEvent)
    assert (refill.volume_pl, refill.residual_pl) == (40 * 10**9, 31 * 10**8)
    assert isinstance(noise, faults.LinkNoiseEvent)
    assert (noise.bit_error_rate, noise.for_us) == (Fraction(1, 10_000), None)
    assert isinstance(over, faults.OverDeliveryEvent)
    assert over.factor == Fraction(6, 5)


def test_the_same_instant_keeps_the_order_of_the_file():
    text = "".join(
        f'[[event]]\nat = "{at}"\ndo = "{do}"\n'
        for at, do in (("60 s", "stop"), ("1 min", "resume"), ("0 s", "stop"), ("60000 ms", "patient_bolus"))
    )
    assert [event.what for event in parse_events(text, "e.toml", Path())] == [
        "stop",
        "stop",
        "resume",
        "patient_bolus",
    ]


def test_no_events_are_no_error():
    assert parse_events("", "e.toml", Path()) == []


def event(lines: str) -> str:
    return f'[[event]]\nat = "1h"\n{lines}\n'


BAD = [
    ('[[event]]\nat = 2\ndo = "stop"\n', "event[1].at",
     '2 has no unit; write a time in quotes with its unit, for example "5 min"'),
    ('[[event]]\ndo = "stop"\n', "event[1].at", 'is missing; write for example: at = "2h"'),
    ('[[event]]\nat = "-1h"\ndo = "stop"\n', "event[1].at",
     '"-1h" is negative; write an amount of zero or more, for example "5 min"'),
    ('[[event]]\nat = "1.0000001s"\ndo = "stop"\n', "event[1].at",
     '"1.0000001s" is not a whole number of us; the nearest that are: "1 s" or "1.000001 s"'),
    (event(""), "event[1]", 'needs one of do and inject; write for example: do = "patient_bolus"'),
    (event('do = "stop"\ninject = "power_cut"'), "event[1]",
     'needs one of do and inject; write for example: do = "patient_bolus"'),
    (event('do = "patient_bolos"'), "event[1].do",
     '"patient_bolos" is not known; did you mean patient_bolus? known: patient_bolus, clinician_bolus, stop, '
     "program, refill, set_clock, prime, resume, implant, cancel_plan, skip_bridge"),
    (event("inject = 7"), "event[1].inject",
     '"7" is not known; known: motor_stall, power_cut, over_delivery, battery_level, temperature, link_noise, '
     "link_flood, flash_bit_flip, planner_fault, sensor_stuck, sensor_missing, sensor_noise, occlusion, hang, "
     "watchdog_bite, memory_flip, code_damage, buzzer_broken, press_button"),
    (event('inject = "sensor_stuck"\nsensor = "humidity"'), "event[1].sensor",
     '"humidity" is not known; write for example: sensor = "temperature"; known: temperature, battery, upstream, '
     "downstream"),
    (event('inject = "occlusion"\nwhere = "left"'), "event[1].where",
     '"left" is not known; write for example: where = "downstream"; known: downstream, upstream'),
    (event('inject = "planner_fault"\nkind = "mood"'), "event[1].kind",
     '"mood" is not known; write for example: kind = "rate"; known: rate, planner_rate, runaway, stuck_on, '
     "stuck_off, double_commit, no_stop, no_cancel, past_change, unledgered"),
    (event('inject = "planner_fault"\nfactor = "2"'), "event[1]",
     "factor goes with kind = rate and planner_rate only; leave it out"),
    (event('inject = "battery_level"\npercent = 101'), "event[1].percent", "101 is not within 0 % to 100 %"),
    (event('inject = "memory_flip"'), "event[1].name", 'is missing; write for example: name = "delivery.permit"'),
    (event('inject = "link_flood"\nbytes_per_s = "10"'), "event[1].bytes_per_s",
     '"10" is not a plain whole number; write for example: bytes_per_s = 1000'),
    (event('do = "stop"\ndose = "1 mg"'), "event[1].dose", "is not a known field; known here: at, do, for"),
    (event('do = "clinician_bolus"\ndose = "0.2 mg"\nduration = "0 min"'), "event[1].duration",
     '"0 min" is zero; write an amount above zero, for example "5 min"'),
    (event('do = "clinician_bolus"\nduration = "5 min"'), "event[1].dose",
     'is missing; write for example: dose = "0.2 mg"'),
    (event('inject = "over_delivery"\nfactor = 1.2'), "event[1].factor",
     '1.2 is not in quotes; write it like "1.2", so that it stays exact'),
    (event('inject = "link_noise"\nbit_error_rate = "2"'), "event[1].bit_error_rate", '"2" is not within 0 to 1'),
    (event('inject = "battery_level"\npercent = 101'), "event[1].percent", "101 is not within 0 % to 100 %"),
    (event('do = "program"\nfile = "none.toml"'), "event[1].file",
     "none.toml cannot be read: no such file or directory; correct its name, or say in which folder it is"),
    (event('do = "program"\nfile = 3'), "event[1].file",
     '3 is not the name of a therapy file; write for example: file = "next.toml"'),
    (event('do = "set_clock"\noffset = "0 s"'), "event[1].offset",
     '"0 s" is zero; write an amount above zero, for example "5 min"'),
    ("event = 3\n", "event", "is not a list of tables; write each under [[event]]"),
    ("event = [3]\n", "event", "is not a list of tables; write each under [[event]]"),
    ("events = []\n", "events", "is not a known field; an events file has [[event]] and nothing else"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "message"), BAD, ids=range(len(BAD)))
def test_one_wrong_event(text: str, field: str, message: str):
    with pytest.raises(TherapyError) as caught:
        parse_events(text, "e.toml", Path())
    assert [tuple(problem) for problem in caught.value.problems] == [(field, message)]


def test_a_wrong_therapy_names_file_and_field(tmp_path: Path):
    (tmp_path / "next.toml").write_text(MORPHINE.replace('"2.4 mg/day"', '"2.4"'))
    with pytest.raises(TherapyError) as caught:
        parse_events(event('do = "program"\nfile = "next.toml"'), "e.toml", tmp_path)
    assert str(caught.value) == (
        'event[1].file: next.toml: basal.dose: "2.4" has no unit; write a dose per time with its unit, for example '
        '"2.4 mg/day"'
    )


def test_all_problems_at_once():
    text = event('do = "x"') + event('do = "stop"') + '[[event]]\ndo = "clinician_bolus"\ndose = "1"\n'
    with pytest.raises(TherapyError) as caught:
        parse_events(text, "e.toml", Path())
    assert [field for field, _ in caught.value.problems] == [
        "event[1].do",
        "event[3].at",
        "event[3].dose",
        "event[3].duration",
    ]
