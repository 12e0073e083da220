"""Units of measure: what each is called, what it measures, and how many of the base unit it is.

Sources: the SI brochure (9th edition), IEC 80000-13 for information, and the international yard and pound agreement
(1959) for customary units; volumes are those of the United States.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Unit:
    """``value × factor + offset`` of a quantity in this unit is its value in ``base``."""

    base: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# base | factor to it | symbols, parted by spaces | names in the singular, parted by commas. A symbol's letter case
# counts where two units differ by it (mb: megabit, MB: megabyte).
_TABLE = """
m | 1 | m | metre, meter
m | 1000 | km | kilometre, kilometer
m | 1/10 | dm | decimetre, decimeter
m | 1/100 | cm | centimetre, centimeter
m | 1/1000 | mm | millimetre, millimeter
m | 1/1000000 | µm μm | micrometre, micrometer, micron
m | 1/1000000000 | nm | nanometre, nanometer
m | 254/10000 | in | inch
m | 3048/10000 | ft | foot
m | 9144/10000 | yd | yard
m | 1609344/1000 | mi | mile
m | 1852 | nmi | nautical mile
m | 9460730472580800 | ly | light year, light-year
m2 | 1 | m2 m² sqm | square metre, square meter
m2 | 1000000 | km2 km² | square kilometre, square kilometer
m2 | 1/10000 | cm2 cm² | square centimetre, square centimeter
m2 | 1/1000000 | mm2 mm² | square millimetre, square millimeter
m2 | 10000 | ha | hectare
m2 | 316160658/78125 |  | acre
m2 | 64516/100000000 | sqin | square inch
m2 | 9290304/100000000 | sqft ft2 ft² | square foot
m2 | 83612736/100000000 | sqyd | square yard
m2 | 2589988110336/1000000 | sqmi | square mile
l | 1 | l | litre, liter
l | 1/10 | dl | decilitre, deciliter
l | 1/100 | cl | centilitre, centiliter
l | 1/1000 | ml | millilitre, milliliter
l | 100 | hl | hectolitre, hectoliter
l | 1000 | m3 m³ | cubic metre, cubic meter
l | 1/1000 | cm3 cm³ cc | cubic centimetre, cubic centimeter
l | 28316846592/1000000000 | cuft ft3 ft³ | cubic foot
l | 16387064/1000000000 | cuin | cubic inch
l | 764554857984/1000000000 | cuyd | cubic yard
l | 473176473/125000000 | gal | gallon
l | 473176473/500000000 | qt | quart
l | 473176473/1000000000 | pt | pint
l | 473176473/16000000000 |  | fluid ounce
l | 473176473/2000000000 |  | cup
l | 473176473/32000000000 | tbsp | tablespoon
l | 157725491/32000000000 | tsp | teaspoon
l | 9936705933/62500000 | bbl | barrel
l | 35239070166880/1000000000000 | bu | bushel
kg | 1 | kg kgs | kilogram, kilogramme, kilo
kg | 1/1000 | g gr | gram, gramme
kg | 1/1000000 | mg | milligram, milligramme
kg | 1/1000000000 | µg μg mcg | microgram, microgramme
kg | 1000 | t | tonne, metric ton
kg | 45359237/100000000 | lb lbs | pound
kg | 45359237/1600000000 | oz | ounce
kg | 635029318/100000000 |  | stone
kg | 90718474/100000 |  | ton, short ton
s | 1 | s sec secs | second
s | 1/1000 | ms | millisecond
s | 1/1000000 | µs μs | microsecond
s | 1/1000000000 | ns | nanosecond
s | 60 | min mins | minute
s | 3600 | h hr hrs | hour
m/s | 1 | m/s mps | metre per second, meter per second
m/s | 10/36 | km/h kmh kph kmph | kilometre per hour, kilometer per hour
m/s | 44704/100000 | mph mi/h | mile per hour
m/s | 3048/10000 | ft/s fps | foot per second
m/s | 1852/3600 | kn kt | knot
bit | 1 | bit | bit
bit | 1000 | kb kbit | kilobit
bit | 1000000 | mb Mb Mbit | megabit
bit | 1000000000 | gb Gb Gbit | gigabit
bit | 1000000000000 | tb Tb Tbit | terabit
bit | 8 | B | byte
bit | 8000 | kB KB | kilobyte
bit | 8000000 | MB | megabyte
bit | 8000000000 | GB | gigabyte
bit | 8000000000000 | TB | terabyte
bit | 8000000000000000 | PB pb | petabyte
bit | 8192 | KiB | kibibyte
bit | 8388608 | MiB | mebibyte
bit | 8589934592 | GiB | gibibyte
bit | 8796093022208 | TiB | tebibyte
bit/s | 1000 | kbps kbit/s | kilobit per second
bit/s | 1000000 | Mbps Mbit/s | megabit per second
bit/s | 1000000000 | Gbps Gbit/s | gigabit per second
W | 1 | W | watt
W | 1000 | kW | kilowatt
W | 1000000 | MW | megawatt
W | 1000000000 | GW | gigawatt
W | 1/1000 | mW | milliwatt
J | 1 | J | joule
J | 1000 | kJ | kilojoule
J | 3600 | Wh | watt hour, watt-hour
J | 3600000 | kWh | kilowatt hour, kilowatt-hour
J | 3600000000 | MWh | megawatt hour, megawatt-hour
J | 4184/1000 | cal | calorie
J | 4184 | kcal | kilocalorie
V | 1 | V | volt
V | 1000 | kV | kilovolt
V | 1/1000 | mV | millivolt
A | 1 | A | ampere, amp
A | 1/1000 | mA | milliampere, milliamp
A.s | 3600/1000 | mAh | milliampere hour, milliamp hour
Hz | 1 | Hz | hertz
Hz | 1000 | kHz | kilohertz
Hz | 1000000 | MHz | megahertz
Hz | 1000000000 | GHz | gigahertz
Pa | 1 | Pa | pascal
Pa | 100 | hPa mbar | hectopascal, millibar
Pa | 1000 | kPa | kilopascal
Pa | 1000000 | MPa | megapascal
Pa | 100000 | bar | bar
N | 1 | N | newton
K | 1 | K | kelvin
"""
_IRREGULAR = {"foot": "feet", "inch": "inches", "hertz": "hertz"}
_DEGREES = {
    "celsius": Unit("K", Fraction(1), Fraction(27315, 100)),
    "fahrenheit": Unit("K", Fraction(5, 9), Fraction(45967, 180)),
}
_CELSIUS = ("°C", "℃", "° C", "degrees Celsius", "degree Celsius", "degrees C", "degrees centigrade", "deg C")
_FAHRENHEIT = ("°F", "℉", "° F", "degrees Fahrenheit", "degree Fahrenheit", "degrees F", "deg F")


def _plural(name: str) -> str:
    head, per, tail = name.partition(" per ")
    first, _, last = head.rpartition(" ")
    last = _IRREGULAR.get(last, f"{last}s")
    return f"{first} {last}".strip() + per + tail


def _rows() -> Iterator[tuple[str, Unit]]:
    for line in _TABLE.strip().splitlines():
        base, factor, symbols, names = (cell.strip() for cell in line.split("|"))
        unit = Unit(base, Fraction(factor))
        for symbol in symbols.split():
            yield symbol, unit
        for name in names.split(","):
            yield name.strip(), unit
            yield _plural(name.strip()), unit
    for written in _CELSIUS:
        yield written, _DEGREES["celsius"]
    for written in _FAHRENHEIT:
        yield written, _DEGREES["fahrenheit"]


#: Every written form of a unit.
UNITS: dict[str, Unit] = dict(_rows())
#: The same without regard to letter case, for what only one unit is called.
_FOLDED: dict[str, Unit] = {}
for _name, _unit in reversed(UNITS.items()):
    _FOLDED[_name.casefold()] = _unit


def unit_called(name: str) -> Unit | None:
    """The unit of this name or symbol; letter case counts where two units differ by it."""
    name = " ".join(name.split())
    return UNITS.get(name) or _FOLDED.get(name.casefold())
