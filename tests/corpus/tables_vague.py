"""Tables whose names of columns say little, mislead, or are those of other systems; and lookalikes of many fields under them."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from typing import Any

from tests.corpus.tables import EITHER, Make, Spec, family
from tests.corpus.tables_domains import (
    COOKIE,
    CRIME,
    DEVICE,
    ETHNIC,
    HEALTH,
    MARITAL,
    NATION,
    PASSWORD,
    PLACE,
    RELIGION,
)
from tests.corpus.tables_people import (
    AGE,
    BIRTH,
    CARD,
    CITY,
    EMAIL,
    FIRST,
    GENDER,
    IBAN,
    IP,
    JOB,
    LAST,
    NAME,
    NATIONAL,
    PAY,
    PHONE,
    POSTCODE,
    STREET,
    USER,
)

EMPTY = (
    "value", "col1", "x", "data", "field_3", "info", "item", "val_2", "column_7", "f5", "misc", "text", "entry", "extra", "var3", "content",
    "a1", "slot", "Unnamed: 4", "", "custom_1", "attr_2", "detail", "param_9",
)  # fmt: skip
"""Names that tell nothing."""

NUMBERED = ("id", "key", "code", "ref", "no")

Maker = Callable[[], Any]


def _persons(m: Make) -> dict[str, tuple[str, Maker]]:
    fake = m.fake
    return {
        "name": (NAME, fake.name),
        "mail": (EMAIL, fake.email),
        "safe": (EMAIL, lambda: f"{fake.user_name()}@{fake.domain_word()}.internal"),
        "phone": (PHONE, fake.phone_number),
        "iban": (IBAN, fake.iban),
        "card": (CARD, lambda: fake.credit_card_number("visa16")),
        "spaced": (CARD, lambda: _grouped(fake.credit_card_number("mastercard"))),
        "ip": (IP, fake.ipv4_public),
        "ip6": (IP, fake.ipv6),
        "mac": (DEVICE, fake.mac_address),
        "address": (STREET, lambda: fake.address().replace("\n", ", ")),
    }


def _grouped(number: str) -> str:
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4))


def _nobody(m: Make) -> dict[str, Maker]:
    fake, pick = m.fake, m.random
    hexadecimal = "0123456789abcdef"
    return {
        "uuid": fake.uuid4, "md5": fake.md5, "sha256": fake.sha256, "date": lambda: fake.date_this_decade().isoformat(),
        "epoch": m.whole(1_400_000_000, 1_720_000_000), "millis": m.whole(1_400_000_000_000, 1_720_000_000_000),
        "version": lambda: f"{pick.randint(1, 20)}.{pick.randint(0, 60)}.{pick.randint(0, 50)}.{pick.randint(0, 9)}",
        "ean": fake.ean13, "isbn": fake.isbn13, "order": m.digits("%##-##-####-#"), "long": m.digits("%##########"), "nine": m.digits("%########"),
        "groups": m.digits("### ### ####"), "plates": m.digits("@@ ## ## ## @"), "tax": m.digits("##-#######"), "sixteen": m.digits("#### #### #### ####"),
        "url": fake.url, "path": fake.file_path, "agent": fake.user_agent, "company": fake.company, "country": fake.country, "color": fake.color_name,
        "word": fake.word, "sentence": fake.sentence, "titles": lambda: " ".join(fake.words(3)).title(), "bs": fake.bs, "host": lambda: f"db{pick.randint(1, 99)}.internal.local",
        "float": m.real(-90, 90, 5), "int": m.whole(0, 9999), "flag": m.pick("0", "1"), "currency": fake.currency_code, "zone": fake.timezone,
        "json": lambda: f'{{"size": {pick.randint(1, 9)}, "at": {pick.randint(10**9, 2 * 10**9)}}}', "short": lambda: "".join(pick.choice(hexadecimal) for _ in range(7)),
        "vector": lambda: f"[{pick.random():.3f}, {pick.random():.3f}, {pick.random():.3f}]",
    }  # fmt: skip


def _labels(m: Make, empty: tuple[str, ...] = EMPTY) -> Callable[[], str]:
    return lambda: m.random.choice(empty)


@family(
    "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE", "da_DK", "en_CA", "de_AT"
)
def vague_persons(m: Make) -> Iterator[Spec]:
    label, persons, nobody = _labels(m), _persons(m), _nobody(m)
    for kind in m.random.sample(sorted(persons), 7):
        truth, maker = persons[kind]
        yield label(), truth, m.gaps(maker, m.random.choice([0, 0.1, 0.4]))
    for kind in m.random.sample(sorted(nobody), 8):
        yield label(), None, m.gaps(nobody[kind], m.random.choice([0, 0.2]))


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "pl_PL")
def vague_shouted(m: Make) -> Iterator[Spec]:
    label, nobody = _labels(m), _nobody(m)
    for truth, maker in ((NAME, m.fake.name), (EMAIL, m.fake.email), (IBAN, m.fake.iban), (FIRST, m.fake.first_name)):
        yield label(), truth, m.upper(maker)
    for kind in m.random.sample(sorted(set(nobody) - {"agent"}), 8):
        yield label(), None, m.upper(nobody[kind])


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR", "sv_SE", "fi_FI", "cs_CZ")
def vague_nobody(m: Make) -> Iterator[Spec]:
    label, nobody = _labels(m, EMPTY + NUMBERED), _nobody(m)
    for kind in m.random.sample(sorted(nobody), 16):
        yield label(), None, nobody[kind]
    yield label(), None, m.fake.city
    yield label(), None, m.fake.job


@family("de_DE")
def sap_customers(m: Make) -> Iterator[Spec]:
    yield "MANDT", None, m.pick("100")
    yield "KUNNR", None, m.digits("0000######")
    yield "NAME1", NAME, m.fake.name
    yield "STRAS", STREET, m.fake.street_address
    yield "PSTLZ", POSTCODE, m.fake.postcode
    yield "TELF1", PHONE, m.fake.phone_number
    yield "ERDAT", None, m.day(2010, 2023, "%Y%m%d")
    yield "STCEG", None, m.digits("DE#########")
    yield "WERKS", None, m.pick("1000", "1100")
    yield "VBELN", None, m.digits("00########")


@family("de_DE")
def sap_employees(m: Make) -> Iterator[Spec]:
    yield "PERNR", EITHER, m.digits("########")
    yield "VORNA", FIRST, m.fake.first_name
    yield "NACHN", LAST, m.fake.last_name
    yield "GBDAT", BIRTH, m.day(1950, 2004, "%Y%m%d")
    yield "GESCH", GENDER, m.pick("1", "2")
    yield "NATIO", NATION, m.pick("DE", "TR", "PL")
    yield "BEGDA", None, m.day(2010, 2023, "%Y%m%d")
    yield "AEDTM", None, m.day(2010, 2023, "%Y%m%d")


@family("en_US")
def flattened_patient(m: Make) -> Iterator[Spec]:
    yield "resourceType", None, m.pick("Patient")
    yield "id", None, m.fake.uuid4
    yield "name[0].family", LAST, m.fake.last_name
    yield "name[0].given[0]", FIRST, m.fake.first_name
    yield "telecom[0].value", PHONE, m.fake.phone_number
    yield "gender", GENDER, m.pick("male", "female")
    yield "birthDate", BIRTH, m.day(1935, 2005)
    yield "address[0].line[0]", STREET, m.fake.street_address
    yield "address[0].postalCode", POSTCODE, m.fake.postcode
    yield "meta.versionId", None, m.whole(1, 9)
    yield "meta.lastUpdated", None, m.fake.iso8601


@family("en_US")
def flattened_charges(m: Make) -> Iterator[Spec]:
    code = string.ascii_letters + string.digits
    yield "id", None, lambda: "ch_" + "".join(m.random.choices(code, k=24))
    yield "created", None, m.whole(1_600_000_000, 1_710_000_000)
    yield "payment_method_details.card.last4", None, m.digits("####")
    yield "payment_method_details.card.fingerprint", None, m.digits("~~~~~~~~~~~~~~~~")
    yield "billing_details.name", NAME, m.fake.name
    yield "billing_details.address.line1", STREET, m.fake.street_address
    yield "customer_email", EMAIL, m.fake.email
    yield "currency", None, m.pick("usd", "eur")
    yield "description", None, m.pick("Subscription creation", "Invoice payment")


@family("en_US", "en_GB")
def asked_in_full(m: Make) -> Iterator[Spec]:
    yield "What is your full name?", NAME, m.fake.name
    yield "What is your email address?", EMAIL, m.fake.email
    yield "How old are you?", AGE, m.whole(18, 80)
    yield "Which gender do you identify with?", GENDER, m.pick("Woman", "Man", "Non-binary")
    yield "What is your religion?", RELIGION, m.pick("Christian", "Muslim", "None", "Hindu")
    yield "Do you have any chronic illness?", HEALTH, m.pick("Asthma", "Diabetes", "No")
    yield "How satisfied are you? (1-5)", None, m.whole(1, 5)
    yield "Would you recommend us?", None, m.pick("Yes", "No")
    yield "Any other comments?", None, m.fake.sentence
    yield "Duration (in seconds)", None, m.whole(10, 900)


@family("en_US")
def cut_words(m: Make) -> Iterator[Spec]:
    yield "f_nm", FIRST, m.fake.first_name
    yield "l_nm", LAST, m.fake.last_name
    yield "eml", EMAIL, m.fake.email
    yield "ph_no", PHONE, m.fake.phone_number
    yield "addr_ln1", STREET, m.fake.street_address
    yield "zip_cd", POSTCODE, m.fake.postcode
    yield "dt_of_brth", BIRTH, m.day(1940, 2004)
    yield "gndr_cd", GENDER, m.pick("M", "F")
    yield "ssn_nbr", NATIONAL, m.fake.ssn
    yield "crt_dt", None, m.day(2018, 2023)
    yield "prd_nm", None, m.pick("Mug", "Lamp Pro")
    yield "src_sys_cd", None, m.pick("CRM", "ERP")
    yield "rec_id", None, m.whole(10**8, 10**9)


@family("en_US")
def persons_of_the_world(m: Make) -> Iterator[Spec]:
    names = (
        "Agnieszka Wojciechowska", "Xiomara Wozniak", "Oleksandr Bondarenko", "Milica Jovanović", "Chinedu Okafor", "Fatoumata Traoré",
        "Kwame Mensah", "Ngozi Adeyemi", "Nguyễn Văn An", "Priya Raghunathan", "Tanaka Hiroshi", "José Luis García Márquez",
        "Guadalupe Hernández", "Thiago da Silva Souza", "Mohammed Al-Fayed", "Fatima Zahra Benali", "Guðrún Sigurðardóttir", "Søren Kjærgaard",
    )  # fmt: skip
    yield "value", NAME, m.pick(*names)
    yield "contact_person", NAME, m.upper(m.pick(*names))
    yield "q", None, m.fake.word
    yield "col_3", None, m.whole(1, 99)


@family("en_US", rows=300)
def words_that_mislead(m: Make) -> Iterator[Spec]:
    yield "email", None, m.pick("welcome.html", "{{user.email}}", "password_reset_v2")
    yield "phone", None, m.whole(1_600_000_000, 1_700_000_000)
    yield "phone_model", None, m.pick("Galaxy S21", "iPhone 13 Pro", "Pixel 7")
    yield "ssn_flag", None, m.pick("Y", "N")
    yield "ip_version", None, m.pick("4", "6")
    yield "password", None, m.pick("required", "optional")
    yield "retina", None, m.pick("icon@2x.png")
    yield "client", None, m.pick("web", "ios", "android")
    yield "owner", None, m.fake.company
    yield "driver", None, m.pick("nvidia-535", "mesa", "i915")
    yield "member", None, m.pick("gold", "silver", "basic")
    yield "user", None, m.pick("root", "www-data", "postgres", "nobody", "admin")
    yield "race", None, m.pick("Monaco GP", "Italian GP")
    yield "address", None, m.digits("0x~~~~~~~~")
    yield "gender", None, m.pick("masc", "fem", "neut")
    yield "contact", None, m.digits("##,## Lei")


@family("en_US")
def famous_things(m: Make) -> Iterator[Spec]:
    yield "name", None, m.pick("Katrina", "Andrew", "Harvey", "Maria", "Irma", "Sandy", "Wilma", "Camille", "Hugo")
    yield (
        "value",
        None,
        m.pick(
            "San Francisco",
            "Los Angeles",
            "Saint Paul",
            "Fort Worth",
            "San Antonio",
            "Santa Ana",
            "San Jose",
            "Santa Barbara",
        ),
    )
    yield (
        "x",
        None,
        m.pick(
            "Washington",
            "Jackson",
            "Madison",
            "Lincoln",
            "Austin",
            "Houston",
            "Dallas",
            "Phoenix",
            "Monroe",
            "Clinton",
            "Franklin",
        ),
    )
    yield "winery", None, m.pick("Robert Mondavi", "Louis Jadot", "Marchesi Antinori", "Kendall-Jackson")
    yield "dish", None, m.pick("Chicken Alfredo", "Eggs Benedict", "Margherita Pizza", "Beef Wellington")
    yield "wind", None, m.whole(30, 160)


@family("en_US")
def drug_list(m: Make) -> Iterator[Spec]:
    yield "drug_name", None, m.pick("Aspirin", "Ibuprofen", "Metformin", "Lipitor")
    yield "ndc", None, m.digits("#####-####-##")
    yield "manufacturer", None, m.pick("Pfizer", "Bayer", "Eli Lilly", "Johnson & Johnson")
    yield "indication", None, m.pick("Hypertension", "Diabetes", "Asthma", "Depression")
    yield "atc", None, m.pick("A10BA02", "N02BA01", "C10AA05")
    yield "dose_mg", None, m.whole(5, 800)


@family("en_US")
def mail_archive(m: Make) -> Iterator[Spec]:
    yield "Message-ID", None, m.digits("<########.####.JavaMail.evans@thyme>")
    yield "From", EMAIL, m.fake.email
    yield "Subject", None, m.fake.sentence
    yield "X-From", NAME, lambda: f"{m.fake.last_name()}, {m.fake.first_name()}"
    yield (
        "Body",
        PHONE,
        lambda: (
            m.fake.paragraph()
            + (f"\nCall me at {m.fake.numerify('(212) 6##-#### ')}" if m.random.random() < 0.4 else "")
        ),
    )
    yield "folder", None, m.pick("inbox", "sent")


@family("en_US", "de_DE")
def staff_extract(m: Make) -> Iterator[Spec]:
    yield "Employee", NAME, m.fake.name
    yield "Position", JOB, m.fake.job
    yield "Gross Pay", PAY, m.real(20000, 150000)
    yield "Hire Dt", None, m.day(2001, 2023)
    yield "Race", ETHNIC, m.pick("White", "Black or African American", "Asian", "Two or more races")
    yield "Marital", MARITAL, m.pick("Single", "Married")
    yield "Shift", None, m.pick("A", "B")
    yield "home_location", PLACE, lambda: f"{m.random.uniform(40, 41):.5f},{m.random.uniform(-74, -73):.5f}"


@family("en_US")
def court_and_web(m: Make) -> Iterator[Spec]:
    yield "defendant", NAME, m.fake.name
    yield "charge", CRIME, m.pick("Burglary", "DUI", "Assault", "Fraud")
    yield "case_no", None, m.digits("##-CR-#####")
    yield "user_pseudo_id", COOKIE, m.digits("##########.##########")
    yield "user_nicename", USER, m.fake.user_name
    yield "user_pass", PASSWORD, m.digits("$P$B~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "City", CITY, m.fake.city
    yield "filed", None, m.day(2015, 2023)
