"""What rp2040py 0.3.6 gets wrong for a pump, put right. Pinned exactly: this touches private names.

- USB: its host completes an OUT transfer with nothing in it every 10 us, which costs more than the program.
- UART: no transmit FIFO, no receive time-out interrupt: machine.UART hangs.
- Flash: programs and erases take no time; and power cuts in the middle of one.
- PIO: a sleeping processor jumps from alarm to alarm, and state machines get one step per jump.
- DMA: transfers take no time, which makes PIO count a cycle that has not passed.
- Pins: one that PIO drives reads as low, so that no other state machine sees its edges.
"""

from __future__ import annotations

import collections
import functools
from typing import Any

from rp2040py.gpio_pin import FUNCTION_PIO0, FUNCTION_PIO1, GPIOPinState
from rp2040py.peripherals import dma as dma_module
from rp2040py.peripherals import ssi as ssi_module
from rp2040py.peripherals import uart as uart_module
from rp2040py.utils.timer32 import Timer32PeriodicAlarm

CYCLE_NS = 8
_RX_TIMEOUT = 1 << 6
_UART_CLOCK = 125_000_000
_TX_FULL = 0x20
_BUSY = 0x08
_PIO0 = 0x50200  # its place in the chip's address space
_PIO_FUNCTIONS = (FUNCTION_PIO0, FUNCTION_PIO1)


def whole_cycles(nanos: float) -> int:
    """Time in whole cycles of the processor, so that PIO and clock never part."""
    return max(1, round(nanos / CYCLE_NS)) * CYCLE_NS


class UsbHost:
    """Bytes for the chip's USB line; a transfer is answered when there are some, as a real host does."""

    def __init__(self, cdc: Any, clock: Any, poll_us: int = 125):
        self._cdc = cdc
        self._pending: list[tuple[int, int]] = []
        self._waiting: collections.deque[int] = collections.deque()
        self._poll_ns = poll_us * 1000
        self._answer = cdc.usb.on_endpoint_read
        self._alarm = clock.create_alarm(self._fire)
        cdc.usb.on_endpoint_read = self._on_read
        on_reset = cdc.usb.on_reset

        def reset() -> None:
            self._pending.clear()
            self._waiting.clear()
            on_reset()

        cdc.usb.on_reset = reset

    def send(self, data: bytes) -> None:
        self._waiting.extend(data)
        self._alarm.schedule(self._poll_ns)

    def _on_read(self, endpoint: int, size: int) -> None:
        if endpoint == self._cdc._out_endpoint:
            self._pending[:] = [(endpoint, size)]
            if self._waiting:
                self._alarm.schedule(self._poll_ns)
        else:
            self._answer(endpoint, size)

    def _fire(self) -> None:
        if self._pending and self._waiting:
            endpoint, size = self._pending.pop()
            while self._waiting and self._cdc.tx_fifo.item_count < min(size, 64):
                self._cdc.tx_fifo.push(self._waiting.popleft())
            self._answer(endpoint, size)


def patch_usb(cdc: Any, clock: Any) -> UsbHost:
    return UsbHost(cdc, clock)


class _Uart(uart_module.RPUART):
    """A UART with FIFOs of 32 both ways, paced by its baud rate, with level and time-out interrupts."""

    txq: collections.deque[int]

    def begin(self, clock: Any) -> None:
        self.txq = collections.deque()
        self.sending = False
        self._tx_alarm = clock.create_alarm(self._shift)
        self._rt_alarm = clock.create_alarm(self._rx_timeout)
        self.sent = bytearray()

    def char_ns(self) -> int:
        return whole_cycles(1e9 * 10 * 16 * (self.baud_divider or 1) / _UART_CLOCK)

    def check_interrupts(self) -> None:
        self.rp2040.set_interrupt(self.irq, bool(self._interrupt_status & self._interrupt_mask))

    def reset(self) -> None:
        super().reset()
        if hasattr(self, "txq"):
            self.txq.clear()
            self.sending = False
            self._tx_alarm.cancel()
            self._rt_alarm.cancel()

    @property
    def flags(self) -> int:
        return (
            (uart_module.RXFF if self.rx_fifo.full else 0)
            | (uart_module.RXFE if self.rx_fifo.empty else 0)
            | (uart_module.TXFE if not self.txq else 0)
            | (_TX_FULL if len(self.txq) >= 32 else 0)
            | (_BUSY if self.sending else 0)
        )

    def feed_byte(self, value: int) -> None:
        self.rx_fifo.push(value)
        if self.rx_fifo.item_count >= 4:
            self._interrupt_status |= uart_module.UARTRXINTR
        self._rt_alarm.schedule(whole_cycles(self.char_ns() * 3.2))
        self.check_interrupts()

    def read_uint32(self, offset: int) -> int:
        if offset == uart_module.UARTDR:
            value = self.rx_fifo.pull()
            if self.rx_fifo.item_count < 4:
                self._interrupt_status &= ~uart_module.UARTRXINTR
            if self.rx_fifo.empty:
                self._interrupt_status &= ~_RX_TIMEOUT
            self.check_interrupts()
            return value
        return super().read_uint32(offset)

    def write_uint32(self, offset: int, value: int) -> None:
        if offset == uart_module.UARTDR:
            self.txq.append(value & 0xFF)
            if not self.sending:
                self.sending = True
                self._tx_alarm.schedule(self.char_ns())
            return
        if offset in (0x34, 0x48, 0x04):  # level select, DMA control, receive status
            return
        super().write_uint32(offset, value)

    def _rx_timeout(self) -> None:
        if not self.rx_fifo.empty:
            self._interrupt_status |= _RX_TIMEOUT
        self.check_interrupts()

    def _shift(self) -> None:
        byte = self.txq.popleft()
        self.sent.append(byte)
        if self.on_byte:
            self.on_byte(byte)
        if len(self.txq) == 4:
            self._interrupt_status |= uart_module.UARTTXINTR
        if self.txq:
            self._tx_alarm.schedule(self.char_ns())
        else:
            self.sending = False
        self.check_interrupts()


class UartLine:
    """The host's end of UART0: `send` bytes at the baud rate; `sent` is what came from the chip."""

    def __init__(self, uart: _Uart, clock: Any):
        self.uart = uart
        self._waiting: collections.deque[int] = collections.deque()
        self._alarm = clock.create_alarm(self._feed)
        self._running = False

    def send(self, data: bytes) -> None:
        self._waiting.extend(data)
        if not self._running and self._waiting:
            self._running = True
            self._alarm.schedule(self.uart.char_ns())

    @property
    def idle(self) -> bool:
        return not self._waiting

    def take(self) -> bytes:
        """What the chip has sent since the last call."""
        data = bytes(self.uart.sent)
        self.uart.sent.clear()
        return data

    def _feed(self) -> None:
        if not self.uart.rx_fifo.full:
            self.uart.feed_byte(self._waiting.popleft())
        if self._waiting:
            self._alarm.schedule(self.uart.char_ns())
        else:
            self._running = False


def patch_uart(mcu: Any, clock: Any) -> UartLine:
    for uart in mcu.uart:
        uart.__class__ = _Uart
        uart.begin(clock)
    return UartLine(mcu.uart[0], clock)


class _Flash(ssi_module.RPSSI):
    """Flash that takes its time, and loses power in the middle of the n-th erase or program."""

    def begin(self, simulator: Any) -> None:
        self.simulator = simulator
        self.off = False
        self.operations = 0
        self.cut_at: int | None = None
        self.cut_part = 0.5
        self.erase_ns = 45_000_000
        self.program_ns = 700_000
        self.slow_erases: dict[int, int] = {}
        self.log: list[tuple[float, int, int]] = []
        self._busy_until = 0.0

    def _apply_command(self) -> None:
        if self.off:
            self._tx_buffer = bytearray()
            return
        data = self._tx_buffer
        op = data[0] if data else 0
        erase = op in (0x20, 0xD8) and len(data) >= 4
        if self._write_enabled and (erase or (op == 0x02 and len(data) > 4)):
            number = self.operations
            self.operations += 1
            clock = self.simulator.clock
            self.log.append((clock.nanos, op, self._address_from_buffer()))
            if number == self.cut_at:
                self._tear(data, erase)
                return
            busy = self.slow_erases.get(number, self.erase_ns) if erase else self.program_ns
            self._busy_until = clock.nanos + busy
        super()._apply_command()

    def _tear(self, data: bytearray, erase: bool) -> None:
        flash = self.rp2040.flash
        address = self._address_from_buffer()
        if erase:
            size = 4096 if data[0] == 0x20 else 65536
            address &= ~(size - 1)
            part = int(size * self.cut_part)
            flash[address : address + part] = b"\xff" * part
        else:
            body = data[4:]
            for at in range(int(len(body) * self.cut_part)):
                flash[address + at] &= body[at]
        self.off = True
        self.simulator.stopped = True
        self._tx_buffer = bytearray()

    def _shift_byte(self, byte_out: int) -> int:
        if self._tx_buffer and self._tx_buffer[0] == 0x05:
            self._pass_busy_time()
        return super()._shift_byte(byte_out)

    def _pass_busy_time(self) -> None:
        """The processor asks again and again, interrupts off: that time passes here, for PIO too."""
        clock = self.simulator.clock
        while clock.nanos < self._busy_until:
            nanos = self._busy_until - clock.nanos
            if clock.has_scheduled_alarm:
                nanos = min(nanos, clock.nanos_to_next_alarm)
            nanos = whole_cycles(nanos)
            clock.tick(nanos)
            for pio in self.rp2040.pio:
                if not pio.stopped:
                    pio.advance(nanos // CYCLE_NS)


def patch_flash(mcu: Any, simulator: Any) -> _Flash:
    mcu.ssi.__class__ = _Flash
    mcu.ssi.begin(simulator)
    return mcu.ssi


class PioPacer:
    """Keeps PIO0 going, to the cycle, while the processor sleeps.

    An alarm on every cycle of a running state machine, but none while one counts down in a loop that is a
    single `jmp x--`: there the count is moved on at once.
    """

    def __init__(self, mcu: Any, clock: Any):
        self._pio = mcu.pio[0]
        self._clock = clock
        self._alarm = clock.create_alarm(self._fire)
        self._offset_fp = 0  # of PIO's cycles to the clock's
        self._phase: dict[int, int] = {}

    def sync(self) -> None:
        """At a moment when the processor writes to a register: both clocks stand at the same instant."""
        self._offset_fp = self._pio.cycle_fp - (round(self._clock.nanos) // CYCLE_NS << 8)
        self.wake()

    def wake(self) -> None:
        """A state machine may have something to do now."""
        self._schedule(False)

    def _fire(self) -> None:
        self._schedule(True)

    def _schedule(self, firing: bool) -> None:
        pio = self._pio
        if pio.stopped:
            return
        now_fp = (round(self._clock.nanos) // CYCLE_NS << 8) + self._offset_fp
        first = None
        for machine in pio.machines:
            if not machine.enabled or machine.waiting:
                continue
            due = self._in_phase(machine)
            if machine.x > 1 and self._counting(machine):
                turns = machine.x - 1
                machine.x = 1
                due += turns * machine.div_fp
                machine.next_due_fp = due
                pio.recompute_due()
            if due <= now_fp:
                due += machine.div_fp
            if first is None or due < first:
                first = due
        if first is not None:
            cycles = max(1, first - now_fp + 255 >> 8)
            self._alarm.schedule(cycles * CYCLE_NS)

    def _in_phase(self, machine: Any) -> int:
        """The divider never stops: what the emulator armed late goes back onto its beat."""
        phase = self._phase.setdefault(machine.index, machine.next_due_fp % machine.div_fp)
        off = (machine.next_due_fp - phase) % machine.div_fp
        if off:
            machine.next_due_fp += -off if off < machine.div_fp >> 1 else machine.div_fp - off
            self._pio.recompute_due()
        return machine.next_due_fp

    def _counting(self, machine: Any) -> bool:
        """In a `jmp x--` to itself, without a delay."""
        return self._pio.instructions[machine.pc] == 0x40 | machine.pc

    def forget(self) -> None:
        self._phase.clear()


class _Channel(dma_module.RPDMAChannel):
    """One cycle per transfer."""

    pacer: PioPacer

    def schedule_transfer(self) -> None:
        treq = self._treq_value
        if self.dma.dreq.get(treq, False) or treq == dma_module.TREQ.PERMANENT:
            self.transfer_alarm.schedule(CYCLE_NS)
        else:
            super().schedule_transfer()

    def transfer(self) -> None:
        super().transfer()
        self.pacer.wake()


class _Dma(dma_module.RPDMA):
    pacer: PioPacer

    def write_uint32(self, offset: int, value: int) -> None:
        super().write_uint32(offset, value)
        self.pacer.sync()


def patch_dma(mcu: Any, pacer: PioPacer) -> None:
    dma = mcu.dma
    dma.__class__ = _Dma
    dma.pacer = pacer
    for channel in dma.channels:
        channel.__class__ = _Channel
        channel.pacer = pacer
        channel.transfer_alarm = mcu.clock.create_alarm(channel.transfer)


class _PacedPio:
    """PIO's registers as the processor writes to them: what it arms goes on while it sleeps."""

    def __init__(self, pio: Any, pacer: PioPacer):
        self._pio = pio
        self._pacer = pacer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pio, name)

    def write_uint32(self, offset: int, value: int) -> None:
        self._pio.write_uint32(offset, value)
        self._pacer.sync()

    def write_uint32_atomic(self, offset: int, value: int, atomic_type: int) -> None:
        self._pio.write_uint32_atomic(offset, value, atomic_type)
        self._pacer.sync()


def patch_pio(mcu: Any, pacer: PioPacer) -> None:
    mcu.peripherals[_PIO0] = _PacedPio(mcu.pio[0], pacer)


def read_back(mcu: Any) -> None:
    """A pin that PIO drives reads as what it is driven to, as the pad's input does on the chip."""
    for pin in mcu.gpio:
        pin.add_listener(functools.partial(_driven, pin))


def _driven(pin: Any, state: Any, _old: Any) -> None:
    if pin.function_select in _PIO_FUNCTIONS and state in (GPIOPinState.LOW, GPIOPinState.HIGH):
        pin.set_input_value(state == GPIOPinState.HIGH)


def silence_pwm(mcu: Any) -> None:
    """No alarms for PWM, which would wake the emulator at every edge of a buzzer that is silent: a tone is
    not to be heard on the pins of this chip."""
    for channel in mcu.pwm.channels:
        for alarm in vars(channel).values():
            if isinstance(alarm, Timer32PeriodicAlarm):
                alarm._schedule = lambda: None  # type: ignore[method-assign]


def unplug_usb(mcu: Any) -> None:
    """No start-of-frame every millisecond any more."""
    mcu.usb_ctrl._schedule_sof_packet = lambda: None
