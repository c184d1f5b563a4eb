"""What the chip's firmware forgets once it has started: that alone which nothing can ask for any more."""

import ast

from thecal.firmware_build import startup_code

PROGRAM = """
class Base:
    def __init__(self):
        self.hear = self.heard

    def heard(self):
        pass

    def fail(self):
        pass


class Part(Base):
    def __init__(self, made):
        Base.__init__(self)
        self.prepare()
        self.table = {1: self.answer}
        self.made = made

    def prepare(self):
        shared()
        Thing(1)

    def answer(self):
        return answered()

    def ready(self):
        Base.fail(self)

    def __len__(self):
        return 0


class Thing:
    def __init__(self, size):
        self.size = size


class Made(Thing):
    pass


class Pump:
    def __init__(self):
        self.part = Part(1)
        helper()

    def seal(self):
        pass

    def run(self):
        while True:
            self.part.ready()
            shared()
            Made(2)


class Other:
    def seal(self, buffer):
        pass

    def run(self):
        pass


def helper():
    for_rare()


def shared():
    pass


def answered():
    pass


def for_rare():
    pass


def for_a_bench():
    pass


def rare():
    for_rare()


def main():
    pump = Pump()
    pump.seal()
    pump.run()


main()
"""


def found(keep: frozenset[str] = frozenset()) -> set[str]:
    tree = ast.parse(PROGRAM)
    rare = {id(node) for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "rare"}
    units = startup_code.only_at_start(tree, rare, keep)
    return {f"{holder.name}.{function.name}" if holder else function.name for holder, function in units}


def test_only_what_the_loop_cannot_reach_is_forgotten():
    assert found() == {
        "Base.__init__",
        "Part.__init__",
        "Part.prepare",
        "Pump.__init__",
        "Pump.seal",
        "Other.seal",
        "helper",
        "for_a_bench",
        "main",
    }


def test_what_somebody_else_calls_stays():
    assert found(frozenset({"prepare", "for_a_bench"})) == found() - {"Part.prepare", "for_a_bench"}


def test_the_pump_itself_forgets_and_nothing_else_does():
    tree = ast.parse(PROGRAM)
    startup_code.forget_when_sealed(tree, "Pump", "once")
    text = ast.unparse(tree)
    assert text.count("__import__('once')") == 1
    assert "__import__" in text[text.index("class Pump") : text.index("class Other")]


def test_the_text_that_forgets_does():
    tree = ast.parse(PROGRAM.rpartition("main()")[0])  # all but its start
    units = startup_code.only_at_start(tree, set(), frozenset())
    scope: dict[str, object] = {}
    exec(compile(tree, "program", "exec"), scope)

    class Program:
        """Stands for the module."""

    for name, value in scope.items():
        setattr(Program, name, value)
    text = startup_code.text(units, "program")
    assert text.startswith("import program\n")
    exec(text.partition("\n")[2], {"program": Program})
    assert vars(Program)["helper"] is None
    assert vars(scope["Part"])["prepare"] is None
    assert callable(vars(scope["Part"])["ready"])
