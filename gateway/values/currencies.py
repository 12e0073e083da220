"""How currencies are named and signed: ISO 4217 codes, and units and subunits as English texts write them."""

from __future__ import annotations

from gateway.values.sources import either

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD
IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF
YER ZAR ZMW ZWG ATS BEF DEM ESP FIM FRF GRD IEP ITL NLG PTE
"""
# In the singular; an s makes the plural.
_UNITS = """
dollar buck euro pound rupee ringgit rupiah baht peso real rand franc krona krone mark markka deutschmark koruna forint
leu lev lek lira rouble ruble hryvnia shekel dirham riyal rial dinar shilling schilling naira cedi taka kwacha kyat
tugrik tenge manat lari dram birr bolivar guarani colon quetzal lempira cordoba balboa gourde guilder peseta escudo
drachma zloty kuna afghani rufiyaa pataca bitcoin ether
"""
_UNCHANGED = """
quid sterling yen yuan renminbi rmb kuai won dong kronor kroner kronur marka reais lei leva lire zlotych zloties
bolivares
guaranies colones korun soles leke
"""
_SUBUNITS = "¢ cent eurocent penny paisa kopek kopeck centavo centime haler stotinka"
_UNCHANGED_SUBUNITS = "pence pennies sen fen mao jiao paise groszy grosz öre øre aurar bani stotinki"
#: A tenth of a unit; other subunits are a hundredth.
TENTHS = ("mao", "jiao")
_ADJECTIVES = """
us u.s. united_states american canadian australian new_zealand singapore hong_kong taiwan british english irish egyptian
lebanese syrian japanese chinese indian pakistani nepalese sri_lankan malaysian indonesian thai philippine south_korean
korean vietnamese mexican argentine chilean colombian cuban dominican uruguayan brazilian south_african swiss french
belgian cfa swedish norwegian danish icelandic finnish german polish czech hungarian romanian bulgarian turkish italian
russian belarusian ukrainian israeli uae emirati moroccan saudi qatari iranian omani yemeni kuwaiti iraqi jordanian
bahraini tunisian algerian libyan serbian macedonian kenyan tanzanian ugandan nigerian ghanaian bangladeshi zambian
jamaican fijian dutch spanish portuguese greek austrian deutsche new_taiwan israeli_new barbados barbadian bahamian
bermudian zimbabwe zimbabwean guyanese liberian namibian trinidad_and_tobago east_caribbean brunei cayman cayman_islands
solomon_islands surinamese belize costa_rican nicaraguan honduran guatemalan paraguayan bolivian peruvian venezuelan
haitian panamanian albanian croatian georgian armenian azerbaijani kazakh uzbek kyrgyz tajik turkmen mongolian afghan
maldivian bhutanese burmese cambodian lao laotian macanese macau ethiopian rwandan burundian congolese angolan
mozambican malagasy mauritian seychelles sudanese somali gambian guinean malawian botswana lesotho eritrean djiboutian
moldovan maltese cypriot slovak slovenian estonian latvian lithuanian luxembourg
papua_new_guinean samoan tongan vanuatu west_african central_african
"""


def _with_plurals(singular: str, unchanged: str) -> set[str]:
    return {name + ending for name in singular.split() for ending in ("", "s")} | set(unchanged.split())


# Those that may touch the digits behind them; others would be words there as well (TOP10).
_TOUCHING = """
AED AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR INR JPY KRW MXN MYR NOK NZD PLN RMB RUB SAR SEK SGD THB USD VND ZAR
"""
# Codes in capitals, or they are words (all, try, mad); a few are written small as well.
CODE_SOURCE = (
    rf"(?:(?-i:(?=[A-Z]{{3}}(?!\w)){either([*_CODES.split(), 'RMB', 'BTC'])}"
    rf"|(?=[A-Z]{{3}}\d){either(_TOUCHING.split())})"
    r"|(?:usd|eur|gbp|jpy|cny|inr|myr|sek|aud|cad|chf)(?!\w))"
)
#: Written in front of an amount, or behind it; letters that touch a dollar say whose it is.
SYMBOL_SOURCE = (
    r"(?:[$£€¥₹₩₽₺₫₪฿₱₦₴₡₲₵₸₼₾₭₮₿৳﷼元円]|ரூ|(?=[acmnrushkzf])"
    r"(?:(?:us\s?|u\.s\.\s?|c\s?|ca|a|au|nz|hk|s|sg|nt|r|mx)\$|(?:RM|Rp|Rs|Kč|zł|kr|SFr|Fr)(?:(?=\d)|(?!\w)(?:\.(?=\s|(?<=R[sp].)\d))?)))"
)
_OWNERS = either(name.replace("_", " ") for name in _ADJECTIVES.split())
_NAMES = either(_with_plurals(_UNITS, _UNCHANGED))
# Five real people are no amount.
_WORDS = r"(?<!\breal(?=\s\w))"
UNIT_SOURCE = rf"(?:(?:{_OWNERS}\s{{1,3}})?{_NAMES}{_WORDS}(?:(?<=pounds?)\s{{1,3}}sterling)?(?!\w))"
SUBUNIT_SOURCE = rf"(?:{either(_with_plurals(_SUBUNITS, _UNCHANGED_SUBUNITS))}(?!\w))"
#: Whose cents they are: *50 US cents*.
OWNED_SUBUNIT_SOURCE = rf"(?:{_OWNERS}\s{{1,3}})?{SUBUNIT_SOURCE}"
