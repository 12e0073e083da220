"""Top-level domains, by which a name without a scheme is known to be one (IANA root zone database)."""

from __future__ import annotations

from gateway.values.sources import either

# A name without a scheme is only a URL under a top-level domain that file names, versions and run-together sentences
# seldom end in: generic ones in wide use and the countries' (IANA root zone).
_GENERIC = "com org net edu gov mil int info biz name pro jobs mobi coop aero asia app dev cloud online site shop xyz"
_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd"
    " cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge"
    " gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh"
    " ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw"
    " mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb"
    " sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk"
    " us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw"
)
# Newer ones, many of them words: only in small letters, so that two sentences with no space between make no name.
_WORDS = """
academy accountants actor africa agency amazon amsterdam apartments apple arab architect art associates attorney
auction audi audio auto aws axa azure band bar barcelona bbc bbva beauty beer berlin bet bike bing bio black blog
bloomberg blue bmw boston boutique brussels budapest builders business buzz bzh cafe camera camp canon capetown
capital cards care career cars casa cash casino cat catering center chase chat cheap church cisco citi city claims
cleaning click clinic clothing club coach codes coffee college community company computer condos construction
consulting contact contractors cooking cool corsica coupons courses credit cruises cymru dance data dating deals
degree delivery democrat dental dentist design diamonds diet digital direct directory discount doctor dog domains
durban earth education energy engineer engineering enterprises equipment estate eus events exchange expert exposed
express fail faith family fan fans farm fashion finance financial fish fit fitness flights florist flowers football
forsale foundation fox frl fun fund furniture futbol fyi gal gallery game games garden gent gift gifts glass global
gmail gold golf google graphics gratis green gripe group guide guitars guru hamburg haus health healthcare help
helsinki hockey holdings holiday horse hospital host hosting hotmail house how hsbc ibm icu ikea immo industries ink
institute insurance insure intel international investments ist istanbul jetzt jewelry joburg jpmorgan kaufen kim
kitchen kiwi koeln krd kyoto land lat law lawyer lease legal lego lexus lgbt life lighting limited limo link live llc
loan loans lol london love ltd luxury madrid maison management market marketing markets mba media melbourne memorial
menu miami microsoft moda moe money mortgage moscow movie museum nagoya navy network news nike ninja nissan nokia nrw
nyc observer office okinawa oracle organic osaka page panasonic paris partners parts party pet pharmacy photo
photography photos pics pictures pink pizza place playstation plumbing plus poker porn press productions promo
properties property pub pw quebec racing realty recipes red rehab rent rentals repair report republican rest
restaurant review reviews rio rip rocks rodeo ruhr run saarland sale salon samsung sap sarl school science scot
security services sexy shoes shopping show singles sky skype soccer social software solar solutions sony space sport
srl stockholm store stream studio study style sucks supplies supply support surf surgery swiss sydney systems taipei
target tatar tattoo tax taxi team tech technology tel tennis theater tickets tienda tips tires tirol today tokyo tools
top toshiba tours town toyota toys trade trading training travel tube ubs university vacations vegas ventures vet
viajes video villas vin vip visa vision vlaanderen vodka vote voyage wales walmart watch webcam website wedding wien
wiki win windows wine work works world wtf xbox yahoo yandex yoga yokohama youtube zone zuerich
"""
#: A top-level domain.
TOP_LEVEL_SOURCE = rf"(?:{either([*_GENERIC.split(), *_COUNTRIES.split()])}|(?-i:{either(_WORDS.split())}))"
