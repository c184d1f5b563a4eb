"""Examples for the help of every command; a test holds that each parses, and that no command lacks them."""

from typing import Any

EXAMPLES: dict[str, tuple[str, ...]] = {
    "emulate": (
        "thecal emulate --link /tmp/pump --speed 10",
        "thecal emulate --flash pump.flash --speed max",
    ),
    "simulate": (
        "thecal simulate examples/morphine-constant.toml --for 7d",
        "thecal simulate examples/morphine-constant.toml --for 24h --json",
    ),
    "check": (
        "thecal check examples/baclofen-night-rise.toml",
        "thecal check new.toml --running old.toml --json",
    ),
    "campaign": ("thecal campaign power-cuts --runs 1000 --seed 7",),
    "pair": ("thecal pair --port /dev/ttyACM0", "thecal pair --role patient"),
    "keys": ("thecal keys", "thecal keys --json"),
    "keys forget": ("thecal keys forget UNIX-C4494050", "thecal keys forget UNIX-C4494050 patient"),
    "ports": ("thecal ports", "thecal ports --json"),
    "status": ("thecal status --port /dev/ttyACM0", "thecal status --json"),
    "monitor": ("thecal monitor --port /tmp/pump", "thecal monitor --plain --interval 10s >> pump.txt"),
    "log": ("thecal log --count 20", "thecal log --jsonl --from 1 > log.jsonl", "thecal log --verify"),
    "limits": ("thecal limits --json",),
    "program": (
        "thecal program examples/morphine-constant.toml",
        "thecal program new.toml --yes --json --no-input",
    ),
    "bolus": ('thecal bolus --dose "0.2 mg" --duration "10 min"', "thecal bolus --patient"),
    "stop": ("thecal stop", 'thecal stop --for "20 min"'),
    "resume": ("thecal resume",),
    "refill": ('thecal refill --volume "40 mL" --residual "3.1 mL"',),
    "prime": ("thecal prime --implant --dry",),
    "cancel-plan": ("thecal cancel-plan --yes",),
    "skip-bridge": ("thecal skip-bridge --yes",),
    "clock show": ("thecal clock show",),
    "clock set": ("thecal clock set --to now", 'thecal clock set --offset "+1h" --yes'),
    "alarms": ("thecal alarms --json",),
    "alarms confirm": ("thecal alarms confirm all",),
    "alarms silence": ("thecal alarms silence",),
    "alarms test": ("thecal alarms test --critical",),
    "fault show": ("thecal fault show",),
    "fault clear": ("thecal fault clear --yes",),
    "history": ("thecal history --last 20", "thecal history --pump UNIX-C4494050 --json"),
    "trend": ("thecal trend --pump UNIX-C4494050",),
    "store import": (
        "thecal store import log.jsonl --pump UNIX-C4494050",
        "thecal store import --port /dev/ttyACM0",
    ),
    "store export": (
        "thecal store export out --format parquet",
        'thecal store export out --format fhir --utc-offset +01:00 --subject "Patient/17"',
    ),
    "store info": ("thecal store info",),
    "session": (
        "thecal session",
        'thecal session --dose "2.6 mg/day" --report today.html --no-input --yes',
    ),
    "replace": (
        "thecal replace weaker.toml",
        'thecal replace weaker.toml --volume "40 mL" --residual "3 mL" --bridge --yes --json',
    ),
    "implant": ("thecal implant --therapy examples/morphine-constant.toml", "thecal implant --dry --yes"),
    "calibrate": (
        'thecal calibrate --volume "100 uL" --duration "20 min"',
        'thecal calibrate --run "40000:99.8 mg" --density "0.9982 g/mL" --mass-uncertainty "0.02 mg"',
    ),
    "report": (
        "thecal report --port /dev/ttyACM0 --out today.html --pdf today.pdf",
        "thecal report --log log.jsonl --serial UNIX-C4494050",
        "thecal report --simulate examples/morphine-constant.toml --for 3d",
        'thecal report --flow weighed.csv --rate "0.5 mL/day"',
    ),
    "flash": ("thecal flash --port /dev/ttyACM0", "thecal flash --image thecal.uf2"),
    "library show": ("thecal library show morphine", "thecal library show --json"),
    "library verify": ("thecal library verify ours.toml",),
    "library make": ('thecal library make ours.toml --name "St. Mary" --issuer "St. Mary, pharmacy"',),
    "library make-key": ("thecal library make-key pharmacy.pem",),
    "library sign": ("thecal library sign ours.toml --key pharmacy.pem",),
    "library trust": (f"thecal library trust {'0f' * 32} --name pharmacy",),
    "library use": ("thecal library use ours.toml",),
}


def dress(command: Any, path: str) -> Any:
    """Put its examples below the help of a command, or of all of a group, and let a flag be a flag: no
    "<bool>" beside it."""
    for option in getattr(command, "params", ()):
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
    for name, part in getattr(command, "commands", {}).items():
        dress(part, f"{path} {name}")
    examples = EXAMPLES.get(path)
    if examples:
        lines = "\n".join(("\b", "Examples:", *(f"  {line}" for line in examples)))  # \b: lines as they are
        command.epilog = f"{command.epilog}\n\n{lines}" if command.epilog else lines
    return command
