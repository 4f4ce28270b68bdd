"""Countries that have VPN servers, by ISO 3166-1 alpha-2 code, and ``uk``, which providers use as well."""

from __future__ import annotations

_TABLE = """
ad Andorra|ae United Arab Emirates|al Albania|am Armenia|ao Angola|ar Argentina|at Austria|au Australia|az Azerbaijan
ba Bosnia and Herzegovina|bd Bangladesh|be Belgium|bg Bulgaria|bh Bahrain|bn Brunei|bo Bolivia|br Brazil|bs Bahamas
bt Bhutan|by Belarus|bz Belize|ca Canada|ch Switzerland|cl Chile|cn China|co Colombia|cr Costa Rica|cy Cyprus
cz Czechia|de Germany|dk Denmark|do Dominican Republic|dz Algeria|ec Ecuador|ee Estonia|eg Egypt|es Spain|fi Finland
fr France|gb United Kingdom|ge Georgia|gh Ghana|gl Greenland|gr Greece|gt Guatemala|hk Hong Kong|hn Honduras
hr Croatia|hu Hungary|id Indonesia|ie Ireland|il Israel|im Isle of Man|in India|iq Iraq|is Iceland|it Italy|je Jersey
jm Jamaica|jo Jordan|jp Japan|ke Kenya|kh Cambodia|kr South Korea|kw Kuwait|ky Cayman Islands|kz Kazakhstan|la Laos
lb Lebanon|li Liechtenstein|lk Sri Lanka|lt Lithuania|lu Luxembourg|lv Latvia|ma Morocco|mc Monaco|md Moldova
me Montenegro|mk North Macedonia|mm Myanmar|mn Mongolia|mo Macao|mt Malta|mu Mauritius|mx Mexico|my Malaysia
mz Mozambique|ng Nigeria|nl Netherlands|no Norway|np Nepal|nz New Zealand|om Oman|pa Panama|pe Peru
pg Papua New Guinea|ph Philippines|pk Pakistan|pl Poland|pr Puerto Rico|pt Portugal|py Paraguay|qa Qatar|ro Romania
rs Serbia|ru Russia|rw Rwanda|sa Saudi Arabia|se Sweden|sg Singapore|si Slovenia|sk Slovakia|sn Senegal|sv El Salvador
th Thailand|tn Tunisia|tr Turkey|tt Trinidad and Tobago|tw Taiwan|ua Ukraine|ug Uganda|uk United Kingdom
us United States|uy Uruguay|uz Uzbekistan|ve Venezuela|vn Vietnam|za South Africa
"""

COUNTRIES = {entry[:2]: entry[3:] for line in _TABLE.strip().splitlines() for entry in line.split("|")}
