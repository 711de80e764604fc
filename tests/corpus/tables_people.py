"""Tables about people in many countries: customers, staff, exports without names of columns, numbers and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.corpus.tables import EITHER, Make, Spec, family

NAME, FIRST, LAST = "user.name", "user.name.first", "user.name.last"
EMAIL, PHONE = "user.contact.email", "user.contact.phone_number"
STREET, POSTCODE, CITY = "user.contact.address.street", "user.contact.address.postal_code", "user.contact.address.city"
BIRTH, GENDER, AGE = "user.demographic.date_of_birth", "user.demographic.gender", "user.demographic.age_range"
IBAN, CARD = "user.financial.bank_account", "user.financial.credit_card"
NATIONAL, TAX = "user.government_id.national_identification_number", "user.government_id"
JOB, PAY, PLATE = "user.job_title", "user.workplace", "user.government_id.vehicle_registration"
IP, USER = "user.device.ip_address", "user.account.username"

LOCALES = (
    "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_PT", "pt_BR", "pl_PL", "sv_SE", "fi_FI", "da_DK", "no_NO",
    "cs_CZ", "tr_TR", "ro_RO", "hr_HR", "el_GR", "ru_RU", "ja_JP", "zh_CN", "ko_KR", "hi_IN", "ar_SA", "hu_HU", "de_CH", "en_IN",
    "es_MX", "uk_UA",
)  # fmt: skip

_KINDS = (
    "full",
    "first",
    "last",
    "email",
    "phone",
    "street",
    "postcode",
    "city",
    "birth",
    "gender",
    "job",
    "amount",
    "date",
    "company",
)

_HEADERS = {
    "en": ["Full Name|customer|contact_person|ClientName", "FirstName|given_names|fname", "Surname|LAST_NM|lname", "e-mail|EmailAddr|contact_email", "Phone No.|tel_no|Mobile",
           "Address Line 1|street_addr", "ZIP|post_code", "Town|City", "DOB|birth_dt|dateOfBirth", "Sex|gender_cd", "Occupation|job_title", "Amount|order total", "Order Date|created", "Company|employer"],
    "de": ["Kunde|Ansprechpartner|Name des Kunden", "Vorname|VORNAME", "Nachname|Familienname", "E-Mail-Adresse|mail", "Telefon|Tel.-Nr.|Rufnummer", "Straße|Anschrift", "PLZ", "Ort|Wohnort",
           "Geburtsdatum|geb_dat|Geb.-Datum", "Geschlecht|Anrede", "Beruf", "Betrag|Umsatz EUR", "Bestelldatum|Datum", "Firma"],
    "fr": ["Nom complet|titulaire|Nom du client", "Prénom|prenom_client", "Nom de famille|nom_usage", "Courriel|adresse_mail", "Téléphone|n° tél|portable", "Adresse|rue", "Code postal|cp", "Ville|commune",
           "Date de naissance|date_naiss|né(e) le", "Sexe|civilité", "Profession|métier", "Montant|total TTC", "Date commande", "Société"],
    "es": ["Nombre completo|titular|Nombre y apellidos", "Nombre de pila|nombre_cliente", "Apellidos|apellido1", "Correo electrónico|correo", "Teléfono|móvil|tlf", "Dirección|domicilio", "Código postal|cod_postal", "Ciudad|localidad|población",
           "Fecha de nacimiento|fec_nac|f_nacimiento", "Sexo|género", "Profesión|ocupación", "Importe", "Fecha pedido", "Empresa"],
    "it": ["Nominativo|intestatario|Nome e cognome", "Nome|nome_proprio", "Cognome", "Posta elettronica|indirizzo email", "Telefono|cellulare|num_tel", "Indirizzo|via", "CAP", "Città|comune|località",
           "Data di nascita|data_nasc", "Sesso", "Professione|mestiere", "Importo", "Data ordine", "Azienda"],
    "nl": ["Volledige naam|klantnaam|contactpersoon", "Voornaam|roepnaam", "Achternaam|familienaam", "E-mailadres", "Telefoonnummer|mobiel|tel_nr", "Adres|straatnaam", "Postcode", "Woonplaats|plaats",
           "Geboortedatum|geb_datum", "Geslacht", "Beroep|functie", "Bedrag", "Besteldatum", "Bedrijf"],
    "pt": ["Nome completo|titular|nome_cliente", "Primeiro nome|nome próprio", "Apelido|sobrenome|último nome", "Correio eletrónico|e-mail", "Telefone|telemóvel|celular", "Morada|endereço|logradouro", "Código postal|CEP", "Cidade|localidade|município",
           "Data de nascimento|dt_nasc|nascimento", "Sexo|género", "Profissão", "Valor", "Data do pedido", "Empresa"],
    "pl": ["Imię i nazwisko|klient|osoba kontaktowa", "Imię", "Nazwisko", "Adres e-mail|mail", "Telefon|nr telefonu|komórka", "Ulica|adres", "Kod pocztowy", "Miejscowość|miasto",
           "Data urodzenia|data_ur", "Płeć", "Zawód|stanowisko", "Kwota", "Data zamówienia", "Firma"],
    "sv": ["Namn|kundnamn|kontaktperson", "Förnamn", "Efternamn", "E-post|epostadress", "Telefonnummer|mobilnr", "Gatuadress|adress", "Postnummer|postnr", "Postort|ort", "Födelsedatum", "Kön", "Yrke", "Belopp", "Orderdatum", "Företag"],
    "fi": ["Koko nimi|asiakas|yhteyshenkilö", "Etunimi", "Sukunimi", "Sähköposti", "Puhelinnumero|puh", "Katuosoite|osoite", "Postinumero", "Postitoimipaikka|kaupunki", "Syntymäaika|syntymäpäivä", "Sukupuoli", "Ammatti", "Summa", "Tilauspäivä", "Yritys"],
    "da": ["Fulde navn|kundenavn|kontaktperson", "Fornavn", "Efternavn", "E-mailadresse", "Telefon|mobilnummer|tlf", "Adresse|vejnavn", "Postnr|postnummer", "By", "Fødselsdato|fødselsdag", "Køn", "Stilling|erhverv", "Beløb", "Ordredato", "Firma"],
    "no": ["Fullt navn|kundenavn|kontaktperson", "Fornavn", "Etternavn", "E-postadresse", "Telefon|mobilnummer|tlf", "Adresse|gateadresse", "Postnr|postnummer", "Poststed", "Fødselsdato", "Kjønn", "Yrke|stilling", "Beløp", "Ordredato", "Firma"],
    "cs": ["Celé jméno|zákazník|jméno a příjmení", "Jméno|křestní jméno", "Příjmení", "E-mail|emailová adresa", "Telefon|mobil|tel. číslo", "Ulice|adresa|bydliště", "PSČ", "Město|obec", "Datum narození|narozen", "Pohlaví", "Povolání", "Částka", "Datum objednávky", "Firma"],
    "tr": ["Ad Soyad|müşteri|müşteri adı", "Ad|isim", "Soyad|soyisim", "E-posta", "Telefon|cep telefonu|GSM", "Adres|sokak", "Posta kodu", "Şehir|il", "Doğum tarihi", "Cinsiyet", "Meslek", "Tutar", "Sipariş tarihi", "Şirket"],
    "ro": ["Nume complet|client|nume și prenume", "Prenume", "Nume de familie", "E-mail|adresă email", "Telefon|nr. telefon|mobil", "Adresa|strada", "Cod poștal", "Oraș|localitate", "Data nașterii", "Sex|gen", "Profesie|ocupație", "Sumă", "Data comenzii", "Firmă"],
    "hr": ["Ime i prezime|kupac", "Ime", "Prezime", "E-pošta|e-mail", "Telefon|broj telefona|mobitel", "Adresa|ulica", "Poštanski broj", "Grad|mjesto", "Datum rođenja", "Spol", "Zanimanje", "Iznos", "Datum narudžbe", "Tvrtka"],
    "el": ["Ονοματεπώνυμο|πελάτης", "Όνομα", "Επώνυμο", "Ηλ. ταχυδρομείο|email", "Τηλέφωνο|κινητό", "Διεύθυνση|οδός", "Ταχυδρομικός κώδικας|ΤΚ", "Πόλη", "Ημερομηνία γέννησης", "Φύλο", "Επάγγελμα", "Ποσό", "Ημερομηνία παραγγελίας", "Εταιρεία"],
    "ru": ["ФИО|клиент|Полное имя", "Имя", "Фамилия", "Электронная почта|эл. почта|email", "Телефон|моб. телефон", "Адрес|улица", "Индекс|почтовый индекс", "Город", "Дата рождения", "Пол", "Профессия|должность", "Сумма", "Дата заказа", "Компания"],
    "uk": ["ПІБ|клієнт", "Ім'я", "Прізвище", "Електронна пошта|email", "Телефон", "Адреса|вулиця", "Індекс|поштовий індекс", "Місто", "Дата народження", "Стать", "Професія|посада", "Сума", "Дата замовлення", "Компанія"],
    "ja": ["氏名|お名前|顧客名", "名", "姓|苗字", "メールアドレス|メール", "電話番号|携帯電話", "住所", "郵便番号", "市区町村", "生年月日", "性別", "職業", "金額", "注文日", "会社名"],
    "zh": ["姓名|客户姓名|联系人", "名", "姓", "电子邮箱|邮箱", "电话|手机号|联系电话", "地址|住址", "邮编|邮政编码", "城市", "出生日期|生日", "性别", "职业", "金额", "订单日期", "公司"],
    "ko": ["이름|성명|고객명", "이름", "성", "이메일", "전화번호|휴대폰|연락처", "주소", "우편번호", "도시", "생년월일", "성별", "직업", "금액", "주문일", "회사"],
    "hi": ["पूरा नाम|नाम|ग्राहक", "पहला नाम", "उपनाम", "ईमेल", "फ़ोन|मोबाइल", "पता", "पिन कोड", "शहर", "जन्म तिथि", "लिंग", "व्यवसाय", "राशि", "आदेश तिथि", "कंपनी"],
    "ar": ["الاسم الكامل|العميل|الاسم", "الاسم الأول", "اسم العائلة", "البريد الإلكتروني", "الهاتف|رقم الجوال", "العنوان", "الرمز البريدي", "المدينة", "تاريخ الميلاد", "الجنس", "المهنة", "المبلغ", "تاريخ الطلب", "الشركة"],
    "hu": ["Teljes név|ügyfél neve", "Keresztnév", "Vezetéknév|családnév", "E-mail cím", "Telefonszám|mobil", "Utca|lakcím", "Irányítószám", "Város|település", "Születési dátum|születési idő", "Neme|nem", "Foglalkozás", "Összeg", "Rendelés dátuma", "Cég"],
}  # fmt: skip

_SEXES = {
    "de": ["männlich", "weiblich", "divers"], "fr": ["Homme", "Femme"], "es": ["Hombre", "Mujer"], "it": ["Maschio", "Femmina"], "nl": ["Man", "Vrouw"],
    "pt": ["Masculino", "Feminino"], "pl": ["Mężczyzna", "Kobieta"], "sv": ["Man", "Kvinna"], "fi": ["Mies", "Nainen"], "da": ["Mand", "Kvinde"], "no": ["Mann", "Kvinne"],
    "cs": ["Muž", "Žena"], "tr": ["Erkek", "Kadın"], "ro": ["Masculin", "Feminin"], "hr": ["M", "Ž"], "el": ["Άνδρας", "Γυναίκα"], "ru": ["мужской", "женский"], "uk": ["Ч", "Ж"],
    "ja": ["男性", "女性"], "zh": ["男", "女"], "ko": ["남", "여"], "hi": ["पुरुष", "महिला"], "ar": ["ذكر", "أنثى"], "hu": ["férfi", "nő"],
}  # fmt: skip

_DATES = {
    "de": "%d.%m.%Y",
    "en": "%m/%d/%Y",
    "fr": "%d/%m/%Y",
    "es": "%d/%m/%Y",
    "it": "%d/%m/%Y",
    "nl": "%d-%m-%Y",
    "pl": "%d.%m.%Y",
    "ru": "%d.%m.%Y",
    "ja": "%Y/%m/%d",
}

_NOT_IN_COUNTRY = {"cs_CZ": "birth_number", "es_ES": "nif", "pt_BR": "cpf", "en_IN": "aadhaar_id", "es_MX": "curp"}
_WITHOUT_NUMBER = ("de_DE", "pt_PT", "da_DK", "ja_JP", "hi_IN", "ar_SA", "sk_SK", "hu_HU", "de_CH")


def _headers(m: Make) -> Callable[[str], str]:
    """Return a chooser of the header of a kind, in the language of the table."""
    words = dict(zip(_KINDS, _HEADERS[m.locale[:2]], strict=True))
    return lambda kind: m.random.choice(words[kind].split("|"))


def _sex(m: Make) -> Callable[[], str]:
    return m.pick(*_SEXES.get(m.locale[:2], ["Male", "Female"]))


def _birth(m: Make) -> Callable[[], str]:
    return m.day(1938, 2004, _DATES.get(m.locale[:2], "%Y-%m-%d"))


def mail(m: Make) -> Callable[[], str]:
    """Return a maker of addresses at hosts of providers, companies and networks without a public suffix."""
    hosts = [
        "kunden-post.de",
        "mail.intern",
        "webmail.fr",
        "uni-nord.se",
        "postfach.at",
        "correo.es",
        "firma.local.lan",
    ]
    return lambda: f"{m.fake.user_name()}{m.random.randint(1, 99)}@{m.random.choice(hosts)}"


_IBANS = {
    "DE": "##################",
    "AT": "################",
    "ES": "####################",
    "BE": "############",
    "PL": "########################",
    "NL": "@@@@##########",
    "GB": "@@@@##############",
}


def iban(m: Make) -> Callable[[], str]:
    """Return a maker of IBANs of several countries with check digits, in groups of four in some tables."""
    makers = {country: m.digits(layout) for country, layout in _IBANS.items()}
    grouped = m.random.random() < 0.3

    def one() -> str:
        country = m.random.choice(sorted(makers))
        rest = makers[country]()
        check = 98 - int("".join(str(int(c, 36)) for c in f"{rest}{country}00")) % 97
        code = f"{country}{check:02d}{rest}"
        return " ".join(code[at : at + 4] for at in range(0, len(code), 4)) if grouped else code

    return one


def person(m: Make) -> Callable[[], str]:
    """Return a maker of full names, in capitals or with the last name first in some tables."""
    style = m.random.choice(["plain", "plain", "upper", "last first"])
    if style == "upper":
        return m.upper(m.fake.name)
    if style == "last first" and m.locale[:2] not in ("ja", "zh", "ko", "hi", "ar"):
        return lambda: f"{m.fake.last_name()}, {m.fake.first_name()}"
    return m.fake.name  # type: ignore[no-any-return]


@family(*LOCALES)
def customers(m: Make) -> Iterator[Spec]:
    header = _headers(m)
    yield "id", EITHER, m.serial()
    yield header("full"), NAME, person(m)
    yield header("email"), EMAIL, mail(m)
    yield header("phone"), PHONE, m.gaps(m.fake.phone_number)
    yield header("street"), STREET, m.fake.street_address
    yield header("postcode"), POSTCODE, m.fake.postcode
    yield header("city"), CITY, m.fake.city
    yield header("birth"), BIRTH, m.gaps(_birth(m), 0.05)
    yield header("gender"), GENDER, _sex(m)
    yield header("amount"), None, m.real(5, 900)
    yield header("date"), None, m.day(2021, 2025, _DATES.get(m.locale[:2], "%Y-%m-%d"))
    yield "sku", None, m.digits("@@-####-@")


@family(*LOCALES)
def staff(m: Make) -> Iterator[Spec]:
    header = _headers(m)
    yield "nr", EITHER, m.serial()
    yield header("first"), FIRST, m.fake.first_name
    yield header("last"), LAST, m.upper(m.fake.last_name) if m.random.random() < 0.5 else m.fake.last_name
    yield header("job"), JOB, m.fake.job
    yield header("company"), None, m.fake.company
    yield m.random.choice(["iban", "Bank", "account"]), IBAN, iban(m)
    yield "cost_center", None, m.digits("%###")
    yield "shift_code", None, m.pick("F", "S", "N", "T")
    yield "hours", None, m.real(2, 42, 1)
    yield "last_login", EITHER, m.day(2023, 2025, "%Y-%m-%d 08:%M:00")
    yield "active", None, m.pick("true", "false")


@family(*LOCALES)
def unnamed(m: Make) -> Iterator[Spec]:
    """An export whose columns are only numbered."""
    label = m.random.choice(["col_", "V", "Unnamed: ", "field", "c", "attr"])
    makers: list[tuple[str | None, Callable[[], Any]]] = [
        (EITHER, m.serial()),
        (NAME, m.fake.name),
        (EMAIL, mail(m)),
        (PHONE, m.fake.phone_number if m.locale in ("en_GB", "de_DE", "fr_FR", "it_IT", "en_US", "es_ES", "da_DK") else m.from_templates("+49 171 #######", "+33 6 ## ## ## ##", "+34 6## ### ###")),
        (IBAN, iban(m)),
        (None, m.normal(50, 12)),
        (None, m.whole(1, 7)),
        (None, m.day(2022, 2025)),
        (None, m.digits("ORD-######")),
    ]  # fmt: skip
    m.random.shuffle(makers)
    for place, (truth, maker) in enumerate(makers, 1):
        yield f"{label}{place}", truth, maker


@family(
    *[locale for locale in LOCALES if locale not in _WITHOUT_NUMBER],
    "nl_BE",
    "et_EE",
    "bg_BG",
    "en_CA",
    "he_IL",
    "zh_TW",
    "th_TH",
    "de_AT",
    "lv_LV",
    "fr_CH",
)
def numbers(m: Make) -> Iterator[Spec]:
    """National identity numbers beside numbers that look alike."""
    names = {
        "en_US": "SSN", "en_GB": "NI number", "fr_FR": "n° sécu", "es_ES": "DNI", "it_IT": "Codice Fiscale", "nl_NL": "BSN", "pt_BR": "CPF", "pl_PL": "PESEL", "sv_SE": "Personnummer",
        "fi_FI": "HETU", "no_NO": "Fødselsnummer", "cs_CZ": "rodné číslo", "tr_TR": "TC Kimlik No", "ro_RO": "CNP", "hr_HR": "OIB", "el_GR": "ΑΜΚΑ", "ru_RU": "ИНН", "zh_CN": "身份证号",
        "ko_KR": "주민등록번호", "en_IN": "Aadhaar", "es_MX": "CURP", "uk_UA": "ІПН", "nl_BE": "Rijksregisternummer", "et_EE": "isikukood", "bg_BG": "ЕГН", "en_CA": "SIN",
        "he_IL": "teudat_zehut", "zh_TW": "身分證字號", "th_TH": "เลขประจำตัวประชาชน", "de_AT": "SVNR", "lv_LV": "personas kods", "fr_CH": "AVS",
    }  # fmt: skip
    method = _NOT_IN_COUNTRY.get(m.locale, "ssn")
    yield "row", None, m.serial()
    if m.locale != "bg_BG":
        yield names[m.locale], NATIONAL, getattr(m.fake, method)
    if m.locale in (
        "fr_FR",
        "it_IT",
        "nl_NL",
        "pt_BR",
        "pl_PL",
        "fi_FI",
        "no_NO",
        "tr_TR",
        "ro_RO",
        "es_ES",
        "zh_CN",
        "ko_KR",
    ):
        yield "code", NATIONAL, m.gaps(getattr(m.fake, method), 0.2)
    yield "order_ref", None, m.digits("###-##-####")
    yield "batch", None, m.digits("###########")
    yield "ticket", None, m.digits("%#########")
    yield "epoch", None, m.whole(1_600_000_000, 1_760_000_000)
    yield "lot", None, m.digits("########@")


@family(*LOCALES)
def messages(m: Make) -> Iterator[Spec]:
    """Prose with a number or an address in some rows, and prose without."""
    note = {
        "de": "Bitte zurückrufen unter {phone_number} oder per Mail an {user_name}@kunden-post.de wegen der Lieferung",
        "fr": "Le client demande à être rappelé au {phone_number} ou par courriel {user_name}@webmail.fr au plus vite",
        "es": "El cliente pide que le llamen al {phone_number} o que escriban a {user_name}@correo.es cuanto antes",
    }.get(
        m.locale[:2],
        "Customer asks to be called back on {phone_number} or by mail to {user_name}@mail-host.net about the order",
    )
    dull = [
        "The parcel arrived two days late and the box was damaged on one side, but all of the parts were there",
        "Screen flickers after the update to version 4.12.0.7, restarting the device helps for about ten minutes",
        "Please add a dark mode to the settings page, the current colours are too bright when working at night",
        "Delivery was quick and the quality of the material is good, would certainly order from this shop again",
    ]
    mixed = m.from_templates(note)
    yield "id", EITHER, m.serial()
    yield (
        m.random.choice(["text", "body", "message", "comment"]),
        EMAIL,
        lambda: mixed() if m.random.random() < 0.4 else m.random.choice(dull),
    )
    yield (
        m.random.choice(["review", "feedback", "description"]),
        None,
        lambda: m.random.choice(dull) + m.random.choice([" again.", ".", "!", " really."]),
    )
    yield "language", None, m.pick("en", "de", "fr")
    yield "rating", None, m.whole(1, 5)
    yield "votes", None, m.whole(0, 999)
    yield "thread", None, m.fake.uuid4


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE", "tr_TR", rows=4)
def tiny(m: Make) -> Iterator[Spec]:
    """A table of four rows."""
    yield "name", NAME, m.fake.name
    yield "email", EMAIL, mail(m)
    yield "phone", PHONE, m.from_templates("+49 171 #######", "+44 7### ######")
    yield "score", None, m.real(0, 1, 3)
    yield "version", None, m.digits("%.#.#.#")
    yield "created", None, m.day(2024, 2025)
    yield "token_count", None, m.whole(4, 3000)


@family(
    "en_US",
    "en_GB",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "nl_NL",
    "pl_PL",
    "pt_PT",
    "cs_CZ",
    "tr_TR",
    "ro_RO",
    "ru_RU",
    "ja_JP",
)
def weird_headers(m: Make) -> Iterator[Spec]:
    """Personal values under headers that say little, and headers that promise what the values do not hold."""
    yield m.random.choice(["nm", "who", "Beteiligter", "interlocutor", "wiersz_1", "entity"]), NAME, m.fake.name
    yield m.random.choice(["info", "x2", "dane", "reach"]), EMAIL, mail(m)
    yield m.random.choice(["value", "nr_1", "k"]), IBAN, iban(m)
    yield "email", None, m.pick("welcome_v2", "reset_password", "invoice_reminder", "newsletter_may")
    yield "phone", None, m.pick("galaxy s21", "iphone 13", "pixel 7", "redmi note 10")
    yield "name", None, m.pick("resnet50", "bert-base", "gpt2-medium", "vit-large", "yolo_v8")
    yield "address", None, m.digits("0x~~~~~~~~")
    yield "ssn_verified", None, m.pick("Y", "N")
    yield "address_count", None, m.whole(0, 5)
    yield "birth_rate", None, m.real(7, 30, 1)
    yield "gender_gap", None, m.real(0, 20, 2)


@family("en_US", "de_DE", "fr_FR", "es_ES", "pl_PL", "nl_NL", "it_IT", "sv_SE", rows=300)
def single_column(m: Make) -> Iterator[Spec]:
    """A list of persons' names and nothing else."""
    yield m.random.choice(["attendees", "list", "speaker", "", "reporter"]), NAME, m.fake.name


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "nl_NL", "pt_BR")
def bank_transfers(m: Make) -> Iterator[Spec]:
    yield "booking_date", None, m.day(2023, 2025)
    yield m.random.choice(["account_holder", "beneficiary", "payee", "sender"]), NAME, m.fake.name
    yield m.random.choice(["counterparty_iban", "to_account", "IBAN"]), IBAN, iban(m)
    yield m.random.choice(["card", "card_no", "pan"]), CARD, m.fake.credit_card_number
    yield "bic", None, m.digits("@@@@@@##XXX")
    yield "amount_eur", None, m.normal(-40, 200, 2)
    yield "balance_after", EITHER, m.normal(2000, 900, 2)
    yield "currency", None, m.pick("EUR", "USD", "CHF")
    yield "purpose", None, m.from_templates("Invoice ####-##", "Order 2024-####", "Rent ##/2024", "Subscription ##")
    yield "card_type", None, m.pick("visa", "mastercard", "amex")
    yield "mcc", None, m.digits("%###")
    yield "is_fraud", None, m.mostly("0", "1")


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL", "nl_NL", "en_GB", "sv_SE", "cs_CZ")
def vehicles(m: Make) -> Iterator[Spec]:
    yield m.random.choice(["owner", "keeper_name", "driver"]), NAME, m.fake.name
    yield m.random.choice(["plate", "licence_plate", "registration_no"]), PLATE, m.fake.license_plate
    yield "vin", PLATE, m.fake.vin
    yield "make", None, m.pick("Volkswagen", "Renault", "Toyota", "Ford", "Skoda")
    yield "model", None, m.pick("Golf", "Clio", "Corolla", "Focus", "Octavia", "Alice Springs")
    yield "mileage_km", None, m.whole(100, 250_000)
    yield "first_registration", None, m.day(2005, 2024)
    yield "engine_code", None, m.digits("@@@##")
    yield "fuel", None, m.pick("petrol", "diesel", "electric")
    yield "price", None, m.whole(900, 60_000)
