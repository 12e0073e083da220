"""Units of measure: what each is called, what it measures, and how many of the base unit it is.

Sources: the SI brochure (9th edition), IEC 80000-13 for information, and the international yard and pound agreement
(1959) for customary units; volumes are those of the United States.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import regex


@dataclass(frozen=True)
class Unit:
    """``value × factor + offset`` of a quantity in this unit is its value in ``base``."""

    base: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# base | factor to it | symbols, parted by spaces | names in the singular, parted by commas. A symbol's letter case
# counts where two units differ by it (mb: megabit, MB: megabyte; mW: milliwatt, MW: megawatt).
_TABLE = """
m | 1 | m | metre, meter
m | 1000 | km kms | kilometre, kilometer
m | 100 | | hectometre, hectometer
m | 10 | | decametre, decameter, dekametre, dekameter
m | 1000000 | | megametre, megameter
m | 1000000000 | | gigametre, gigameter
m | 1/10 | dm | decimetre, decimeter
m | 1/100 | cm | centimetre, centimeter
m | 1/1000 | mm | millimetre, millimeter
m | 1/1000000 | µm μm | micrometre, micrometer, micron
m | 1/1000000000 | nm | nanometre, nanometer
m | 1/1000000000000 | | picometre, picometer
m | 1/10000000000 | Å | angstrom
m | 254/10000 | in | inch
m | 3048/10000 | ft | foot
m | 9144/10000 | yd yds | yard
m | 201168/1000 | | furlong
m | 18288/10000 | | fathom
m | 149597870700 | | astronomical unit
m | 1609344/1000 | mi | mile
m | 1852 | nmi | nautical mile
m | 9460730472580800 | ly | light year, light-year
m2 | 1 | m2 m² m^2 sqm sq_m sq._m | square metre, square meter
m2 | 1000000 | km2 km² km^2 sq_km sq._km | square kilometre, square kilometer
m2 | 1/10000 | cm2 cm² cm^2 sq_cm | square centimetre, square centimeter
m2 | 1/1000000 | mm2 mm² mm^2 sq_mm | square millimetre, square millimeter
m2 | 10000 | ha | hectare
m2 | 316160658/78125 |  | acre
m2 | 64516/100000000 | sqin in2 in² in^2 sq_in sq._in | square inch
m2 | 9290304/100000000 | sqft ft2 ft² ft^2 sq_ft sq._ft sq_feet | square foot
m2 | 83612736/100000000 | sqyd yd2 yd² sq_yd sq._yd | square yard
m2 | 2589988110336/1000000 | sqmi mi2 mi² sq_mi sq._mi | square mile
l | 1 | l L | litre, liter
l | 1/1000000 | µl μl µL μL | microlitre, microliter
l | 1000 | | kilolitre, kiloliter
l | 1000000 | | megalitre, megaliter
l | 1000000000 | | gigalitre, gigaliter
l | 1/1000000 | mm3 mm³ mm^3 | cubic millimetre, cubic millimeter
l | 1 | dm3 dm³ | cubic decimetre, cubic decimeter
l | 1000000000000 | km3 km³ | cubic kilometre, cubic kilometer
l | 1/10 | dl dL | decilitre, deciliter
l | 1/100 | cl cL | centilitre, centiliter
l | 1/1000 | ml mL | millilitre, milliliter
l | 100 | hl hL | hectolitre, hectoliter
l | 1000 | m3 m³ m^3 cu_m cu._m cbm | cubic metre, cubic meter
l | 1/1000 | cm3 cm³ cm^3 cc cu_cm | cubic centimetre, cubic centimeter
l | 28316846592/1000000000 | cuft ft3 ft³ ft^3 cu_ft cu._ft cu_feet | cubic foot
l | 16387064/1000000000 | cuin in3 in³ cu_in cu._in | cubic inch
l | 764554857984/1000000000 | cuyd cu_yd cu._yd | cubic yard
l | 4168181825440579584/1000000 | | cubic mile
l | 473176473/125000000 | gal gals | gallon
l | 454609/100000 | | imperial gallon
l | 5682612500/10000000000 | | imperial pint
l | 473176473/500000000 | qt | quart
l | 473176473/1000000000 | pt | pint
l | 473176473/16000000000 | fl_oz fl._oz | fluid ounce
l | 473176473/4000000000 | | gill
l | 44048837708600/5000000000000 | | peck
l | 238480942392/1000000000 | | hogshead
l | 473176473/2000000000 |  | cup
l | 473176473/32000000000 | tbsp | tablespoon
l | 157725491/32000000000 | tsp | teaspoon
l | 9936705933/62500000 | bbl | barrel
l | 35239070166880/1000000000000 | bu | bushel
kg | 1 | kg kgs | kilogram, kilogramme, kilo
kg | 1/1000 | g gr | gram, gramme
kg | 1/1000000 | mg | milligram, milligramme
kg | 1/1000000000 | µg μg mcg | microgram, microgramme
kg | 1/1000000000000 | ng | nanogram, nanogramme
kg | 2/10000 | | carat
kg | 6479891/100000000000 | | grain
kg | 1/100 | | dekagram, decagram
kg | 1000000 | | kiloton, kilotonne
kg | 1000000000 | | megaton, megatonne
kg | 1000 | t | tonne, metric ton
kg | 45359237/100000000 | lb lbs | pound
kg | 45359237/1600000000 | oz | ounce
kg | 311034768/10000000000 | | troy ounce
kg | 635029318/100000000 |  | stone
kg | 10160469088/10000000 |  | long ton
kg | 100 | | quintal
kg | 90718474/100000 |  | ton, short ton
s | 1 | s sec secs | second
s | 1/1000 | ms | millisecond
s | 1/1000000 | µs μs | microsecond
s | 1/1000000000 | ns | nanosecond
s | 60 | min mins | minute
s | 3600 | h hr hrs | hour
m/s | 1 | m/s mps |
m/s | 1000 | km/s |
m/s | 1/100 | cm/s |
m/s | 1/1000 | mm/s |
m/s | 1/60 | m/min |
m/s | 10/36 | km/h kmh kph kmph km/hr |
m/s | 44704/100000 | mph mi/h |
m/s | 3048/10000 | ft/s fps |
m/s | 254/10000 | in/s ips |
m/s | 1852/3600 | kn kt | knot
bit | 1 | bit | bit
bit | 1000 | kb kbit | kilobit
bit | 1000000 | mb Mb Mbit | megabit
bit | 1000000000 | gb Gb Gbit | gigabit
bit | 1000000000000 | tb Tb Tbit | terabit
bit | 1000000000000000 | Pbit | petabit
bit | 1024 | Kibit | kibibit
bit | 1048576 | Mibit | mebibit
bit | 1073741824 | Gibit | gibibit
bit | 8 | B | byte
bit | 8000 | kB KB | kilobyte
bit | 8000000 | MB | megabyte
bit | 8000000000 | GB | gigabyte
bit | 8000000000000 | TB | terabyte
bit | 8000000000000000 | PB pb | petabyte
bit | 8000000000000000000 | EB | exabyte
bit | 8000000000000000000000 | ZB | zettabyte
bit | 8192 | KiB | kibibyte
bit | 8388608 | MiB | mebibyte
bit | 8589934592 | GiB | gibibyte
bit | 8796093022208 | TiB | tebibyte
bit/s | 1 | bps bit/s |
bit/s | 1000 | kbps kbit/s kb/s | kilobit per second
bit/s | 1000000 | Mbps Mbit/s Mb/s | megabit per second
bit/s | 1000000000 | Gbps Gbit/s Gb/s | gigabit per second
bit/s | 1000000000000 | Tbps Tbit/s Tb/s |
bit/s | 8 | B/s |
bit/s | 8000 | kB/s KB/s | kilobyte per second
bit/s | 8000000 | MB/s | megabyte per second
bit/s | 8000000000 | GB/s | gigabyte per second
W | 1 | W | watt
W | 1000 | kW | kilowatt
W | 74569987158227022/100000000000000 | hp bhp | horsepower
W | 1000000000000 | TW | terawatt
W | 1000000 | MW | megawatt
W | 1000000000 | GW | gigawatt
W | 1/1000 | mW | milliwatt
J | 1 | J | joule
J | 1000 | kJ | kilojoule
J | 1/1000 | mJ | millijoule
J | 1000000 | MJ | megajoule
J | 1000000000 | GJ | gigajoule
J | 105505585262/100000000 | BTU BTUs | British thermal unit
J | 13558179483314004/10000000000000000 | ft-lb ft-lbs ft-lbf | foot-pound, foot pound
J | 3600000000000 | GWh | gigawatt hour, gigawatt-hour
J | 3600000000000000 | TWh | terawatt hour, terawatt-hour
J | 3600 | Wh | watt hour, watt-hour
J | 3600000 | kWh | kilowatt hour, kilowatt-hour
J | 3600000000 | MWh | megawatt hour, megawatt-hour
J | 4184/1000 | cal | calorie
J | 4184 | kcal | kilocalorie
V | 1 | V | volt
V | 1000 | kV | kilovolt
V | 1000000 | | megavolt
V | 1/1000 | mV | millivolt
A | 1 | A | ampere, amp
A | 1000000 | | megaampere, megaamp
A | 1/1000 | mA | milliampere, milliamp
ohm | 1 | Ω Ω | ohm
ohm | 1/1000 | mΩ mΩ | milliohm
ohm | 1000 | kΩ kΩ | kilohm, kiloohm
ohm | 1000000 | MΩ MΩ | megohm, megaohm
farad | 1/1000000 | µF μF | microfarad
farad | 1 | | farad
dB | 1 | dB | decibel
lm | 1 | lm | lumen
lx | 1 | lx lux |
candela | 1 | | candela
mol | 1 | mol | mole
mol | 1/1000 | mmol | millimole
px | 1 | px | pixel
px | 1000000 | | megapixel
deg | 1 | ° deg | degree
rad | 1 | rad | radian
A.s | 1 | A.s | coulomb
A.s | 3600 | Ah | ampere hour, amp hour
A.s | 3600/1000 | mAh | milliampere hour, milliamp hour
Hz | 1 | Hz | hertz
Hz | 1/1000 | | millihertz
Hz | 1000 | kHz | kilohertz
Hz | 1000000 | MHz | megahertz
Hz | 1000000000 | GHz | gigahertz
Hz | 1000000000000 | THz | terahertz
Hz | 1/60 | rpm | revolution per minute
Pa | 1 | Pa | pascal
Pa | 1/1000 | | millipascal
Pa | 100 | hPa mbar | hectopascal, millibar
Pa | 1000 | kPa | kilopascal
Pa | 1000000 | MPa | megapascal
Pa | 1000000000 | GPa | gigapascal
Pa | 100000 | bar | bar
Pa | 101325 | atm | atmosphere
Pa | 133322387415/1000000000 | mmHg |
Pa | 101325/760 | | torr
Pa | 6894757293168/1000000000 | psi | pound per square inch
N | 1 | N | newton
N | 1000 | kN | kilonewton
K | 1 | K | kelvin
"""
# How far in how long, and how much in a second: per second, a minute, an hour.
_DISTANCES = """
millimetre millimeter centimetre centimeter metre meter kilometre kilometer inch foot yard mile km
"""
_PERIODS = {"second": 1, "minute": 60, "hour": 3600}
_IRREGULAR = {"foot": "feet", "inch": "inches", "hertz": "hertz", "torr": "torr", "horsepower": "horsepower"}
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


def _rates(lengths: dict[str, Unit]) -> Iterator[tuple[str, Unit]]:
    """*Miles per hour*, *kilometres an hour*, *feet a second*."""
    for distance in _DISTANCES.split():
        for period, seconds in _PERIODS.items():
            unit = Unit("m/s", lengths[distance].factor / seconds)
            for each in ("per", "an" if period == "hour" else "a"):
                yield f"{distance} {each} {period}", unit
                yield f"{_plural(distance)} {each} {period}", unit


def _rows() -> Iterator[tuple[str, Unit]]:
    for line in _TABLE.strip().splitlines():
        base, factor, symbols, names = (cell.strip() for cell in line.split("|"))
        unit = Unit(base, Fraction(factor))
        for symbol in symbols.split():
            yield symbol.replace("_", " "), unit
        for name in filter(None, map(str.strip, names.split(","))):
            for written in (name, _plural(name)):
                yield written, unit
                if written.startswith(("square ", "cubic ")):
                    yield written.replace(" ", "-", 1), unit
    for written in _CELSIUS:
        yield written, _DEGREES["celsius"]
    for written in _FAHRENHEIT:
        yield written, _DEGREES["fahrenheit"]


#: Every written form of a unit.
UNITS: dict[str, Unit] = dict(_rows())
UNITS |= _rates(UNITS)
#: The written forms that differ in letter case alone.
_FOLDED: dict[str, tuple[str, ...]] = {}
for _name in UNITS:
    _FOLDED[_name.casefold()] = (*_FOLDED.get(_name.casefold(), ()), _name)
#: Single letters that no other unit has in the other case.
_FREE_LETTERS = ("J", "V", "W", "l", "°")
# Symbols as the SI writes them, in the table or not: ML are megalitres, MA megaamperes, S siemens and T teslas. Those
# that are mistaken more often than meant are not in the table, so that they are no unit.
_SYMBOL = regex.compile(
    r"(?:[pn\u00b5\u03bcmcdhkMGT]|da|[PEZ](?=[bgsWJ]))?(?:[mgtlLsAKNWJVSTHFCbB\u03a9\u2126]|Pa|Hz|mol|cd|lm|lx|bar|bit|eV|Wh|Ah|Wb|Bq|Gy|Sv)|Nm|NM"
)


def unit_called(name: str) -> Unit | None:
    """The unit of this name or symbol.

    What is written as a symbol of the SI is that or nothing: ``5 ML`` are not five millilitres. Elsewhere letter case
    counts only where two units differ by it; of those, a capital M in front chooses the larger (``MHZ``).
    """
    name = " ".join(name.split())
    if name in UNITS:
        return UNITS[name]
    written = _FOLDED.get(name.casefold(), ())
    if not written or _SYMBOL.fullmatch(name) or (len(name) == 1 and not set(written) & set(_FREE_LETTERS)):
        return None
    if len({UNITS[each] for each in written}) > 1:
        written = tuple(each for each in written if each[0] == "M" == name[0])
    return UNITS[written[0]] if len({UNITS[each] for each in written}) == 1 else None
