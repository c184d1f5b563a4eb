"""Which pin is what: the one table of the wiring, GPIO numbers of a Raspberry Pi Pico (README.md)."""

from micropython import const

UART_TX = const(0)  # the pump's line when the settings say serial=uart0
UART_RX = const(1)
STEP = const(2)  # a step on each rising edge
DIR = const(3)
ENABLE = const(4)  # of the driver, which says the level; open while the chip is in reset: it must be off then
STALL = const(5)  # high: the motor does not follow (an encoder's comparator)
MOTOR_FEEDBACK = const(1)  # 0: nothing is wired to STALL, so nobody sees whether the motor moves
SUPPLY = const(6)  # high: the motor has its supply (a divider); where the settings say motor_supply=1
BUZZER_SENSE = const(13)  # high while the buzzer really sounds
BUTTON = const(14)  # to ground; held at boot: maintenance
BUZZER = const(15)
LED = const(25)
TEMPERATURE = const(26)  # ADC0: TMP36 on the reservoir
UPSTREAM = const(27)  # ADC1: pressure before the pump
DOWNSTREAM = const(28)  # ADC2: pressure behind it
BATTERY = const(29)  # ADC3: a third of VSYS, on the Pico itself

FORWARD = const(1)  # level of DIR that drives the drug out

# Analogue scales: microvolts at zero, what a millivolt means, and the least that the sensor gives.
TEMPERATURE_ZERO_UV = const(500_000)  # TMP36: 0.5 V at 0 C, 10 mV per degree
TEMPERATURE_LEAST_UV = const(100_000)
MC_PER_MV = const(100)
BATTERY_DIVIDER = const(3)
BATTERY_LEAST_UV = const(100_000)
PRESSURE_ZERO_UV = const(500_000)  # 0.5 V without pressure, 50 mV per kPa
PRESSURE_LEAST_UV = const(200_000)
PA_PER_MV = const(20)
