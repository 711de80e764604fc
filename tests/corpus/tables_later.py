"""Exports of applications, open data, logs and lookalikes."""

from __future__ import annotations

from collections.abc import Iterator

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
    LAST,
    NAME,
    NATIONAL,
    PAY,
    PHONE,
    POSTCODE,
    STREET,
    USER,
    iban,
    mail,
)


@family("en_US", "de_DE", "fr_FR")
def later_shop_export(m: Make) -> Iterator[Spec]:
    yield "Name", None, m.digits("#10##")
    yield "Email", EMAIL, mail(m)
    yield "Financial Status", None, m.pick("paid", "refunded")
    yield "Subtotal", None, m.real(5, 400)
    yield "Lineitem name", None, m.pick("T-Shirt Anna", "Mug", "Hoodie XL")
    yield "Billing Name", NAME, m.fake.name
    yield "Billing Street", STREET, m.fake.street_address
    yield "Billing Zip", POSTCODE, m.fake.postcode
    yield "Billing Company", None, m.gaps(m.fake.company, 0.6)
    yield "Shipping Phone", PHONE, m.from_templates("+49 1## #######", "+33 7 ## ## ## ##")
    yield "Vendor", None, m.pick("Paul Smith", "Lacoste", "Levi Strauss")
    yield "Payment Reference", None, m.digits("c###########.1")
    yield "Source", None, m.pick("web", "pos")
    yield "Receipt Number", None, m.digits("2-####")


@family("en_US", "es_ES", "it_IT", "pl_PL")
def later_helpdesk(m: Make) -> Iterator[Spec]:
    yield "ticket", EITHER, m.digits("#1####")
    yield "requester", NAME, m.fake.name
    yield "requester_mail", EMAIL, mail(m)
    yield "assignee", NAME, m.fake.name
    yield "subject", None, m.pick("Printer does not print", "VPN drops", "New laptop")
    yield (
        "body",
        EITHER,
        m.from_templates("Hello, my printer on the second floor has not worked since Monday, thanks, {first_name}"),
    )
    yield "sla_minutes", None, m.whole(10, 900)
    yield "satisfaction", None, m.pick("good", "bad")
    yield "first_reply", None, m.day(2024, 2025)
    yield "tags", None, m.pick("hardware", "vpn urgent")


@family("en_US", "en_GB", "de_DE", "nl_NL")
def later_sports_club(m: Make) -> Iterator[Spec]:
    yield "member_no", EITHER, m.serial()
    yield "athlete", NAME, m.fake.name
    yield "yob", BIRTH, m.whole(1950, 2004)
    yield "m_f", GENDER, m.pick("M", "F")
    yield "resting_hr", HEALTH, m.whole(40, 90)
    yield "vo2max", HEALTH, m.real(25, 70, 1)
    yield "finish_time", EITHER, m.pick("03:12:44", "04:01:09")
    yield "bib", None, m.whole(1, 9999)
    yield "category", EITHER, m.pick("M40", "W35")
    yield "emergency_tel", PHONE, m.from_templates("+44 7### ######", "+31 6 ########")
    yield "shirt_size", None, m.pick("S", "M", "L")
    yield "start_block", None, m.pick("A", "B")


@family("en_US", "de_DE")
def later_open_data_trees(m: Make) -> Iterator[Spec]:
    yield "tree_id", None, m.serial()
    yield "genus", None, m.pick("Acer", "Tilia", "Rosa", "Linden")
    yield "planted", None, m.day(1930, 2010)
    yield "street", None, m.pick("Hauptstraße", "Lindenallee", "Goethestraße", "Bahnhofstraße")
    yield "latitude", None, m.real(48, 54, 6)
    yield "longitude", None, m.real(7, 14, 6)
    yield "trunk_cm", None, m.whole(10, 300)
    yield "health", None, m.pick("good", "fair", "poor")
    yield "district", None, m.pick("Mitte", "Nord")
    yield "steward", None, m.pick("none", "1or2", "3or4")


@family("en_US")
def later_restaurants(m: Make) -> Iterator[Spec]:
    yield (
        "name",
        None,
        m.pick("Casa Maria", "Joe's Pizza", "Chez Paul", "Mama Rosa Trattoria", "Golden Dragon", "Tony's Diner"),
    )
    yield "cuisine", None, m.pick("Italian", "African", "Asian", "American")
    yield "stars", None, m.real(1, 5, 1)
    yield "zip", None, m.digits("%####")
    yield "city", None, m.pick("Austin", "Charlotte", "Phoenix")
    yield "lat", None, m.real(30, 42, 5)
    yield "lng", None, m.real(-120, -80, 5)
    yield "grade", None, m.pick("A", "B", "C")
    yield "violation", None, m.pick("Mice", "Cold food held above 41F")
    yield "opened", None, m.day(1950, 2020)


@family("en_US", "de_DE", "fr_FR")
def later_mail_log(m: Make) -> Iterator[Spec]:
    yield "ts", None, m.day(2024, 2025, "%Y-%m-%dT%H:%M:%S.123Z")
    yield "from", EMAIL, mail(m)
    yield "rcpt", EMAIL, mail(m)
    yield "message_id", EITHER, m.digits("<~~~~~~~~~~~~@mx.intern.lan>")
    yield "relay", IP, m.fake.ipv4_public
    yield "size", None, m.whole(900, 9_000_000)
    yield "dsn", None, m.pick("2.0.0", "5.1.1")
    yield "queue_id", None, m.digits("4~~~~~~~~~~~~~~")
    yield "tls", None, m.pick("TLSv1.2", "TLSv1.3")
    yield "spam_score", None, m.real(-5, 20, 1)


@family("en_US", "de_DE", "es_ES", "pt_BR")
def later_ride_hailing(m: Make) -> Iterator[Spec]:
    yield "trip_id", EITHER, m.fake.uuid4
    yield "rider", NAME, m.fake.first_name
    yield "driver_name", NAME, m.fake.name
    yield "pickup_latitude", PLACE, m.real(40, 41, 6)
    yield "pickup_longitude", PLACE, m.real(-74, -73, 6)
    yield "dropoff_address", STREET, m.fake.street_address
    yield "fare", None, m.real(4, 90)
    yield "surge", None, m.pick("1.0", "1.5")
    yield "payment_card", CARD, m.fake.credit_card_number
    yield "device_os", None, m.pick("ios", "android")
    yield "advertising_id", DEVICE, m.fake.uuid4
    yield "eta_s", None, m.whole(60, 1800)
    yield "promo", None, m.digits("RIDE##")


@family("en_US", "en_GB")
def later_prison(m: Make) -> Iterator[Spec]:
    yield "inmate", NAME, lambda: f"{m.fake.last_name().upper()}, {m.fake.first_name().upper()}"
    yield "admitted", EITHER, m.day(2000, 2022)
    yield "sentence_years", CRIME, m.whole(1, 40)
    yield "offense_description", CRIME, m.pick("ROBBERY", "BURGLARY", "DRUG POSSESSION")
    yield "ethnicity", ETHNIC, m.pick("Hispanic", "Non-Hispanic")
    yield "religion_pref", RELIGION, m.pick("Baptist", "Muslim", "Catholic")
    yield "cell_block", None, m.pick("A", "B")
    yield "meals", None, m.whole(1, 3)
    yield "facility", None, m.pick("Folsom", "San Quentin")
    yield "parole_eligible", CRIME, m.pick("Y", "N")


@family("en_US", "de_DE", "fr_FR", "it_IT")
def later_cohort(m: Make) -> Iterator[Spec]:
    label = {
        "en": ("diagnosis_text", "weight_kg", "smoking", "marital_status"),
        "de": ("Diagnose", "Gewicht_kg", "Raucher", "Familienstand"),
        "fr": ("diagnostic", "poids", "fumeur", "statut_marital"),
        "it": ("diagnosi", "peso", "fumatore", "stato_civile"),
    }[m.locale[:2]]
    values = {
        "en": ("asthma", "migraine", "diabetes"),
        "de": ("Asthma", "Migräne", "Diabetes"),
        "fr": ("asthme", "migraine", "diabète"),
        "it": ("asma", "emicrania", "diabete"),
    }[m.locale[:2]]
    married = {
        "en": ("married", "single"),
        "de": ("verheiratet", "ledig"),
        "fr": ("marié", "célibataire"),
        "it": ("sposato", "celibe"),
    }[m.locale[:2]]
    yield "pseudonym", EITHER, m.digits("~~~~~~~~~~~~")
    yield label[0], HEALTH, m.pick(*values)
    yield label[1], EITHER, m.normal(75, 12)
    yield label[2], HEALTH, m.pick("1", "0")
    yield label[3], MARITAL, m.pick(*married)
    yield "age_years", AGE, m.whole(20, 90)
    yield "site", None, m.pick("A", "B")
    yield "followup_days", None, m.whole(1, 900)
    yield "assay_plate", None, m.digits("P##")


@family("en_US", "de_DE", "pl_PL", "es_ES", "fr_FR", "it_IT", "nl_NL", "pt_PT", "sv_SE", "cs_CZ", "ru_RU", "tr_TR")
def later_participants(m: Make) -> Iterator[Spec]:
    """Names in two columns whose headers say little."""
    yield "n1", FIRST, m.fake.first_name
    yield "n2", LAST, m.fake.last_name
    yield "kontakt", EMAIL, mail(m)
    yield "workshop", None, m.pick("A1", "B2", "C3")
    yield "paid", None, m.pick("yes", "no")
    yield "seat", None, m.whole(1, 200)
    yield "comment", EITHER, m.gaps(m.pick("vegetarian", "late", "-"), 0.5)


@family("en_US", "de_DE")
def later_build_farm(m: Make) -> Iterator[Spec]:
    yield "job_name", None, m.pick("nightly-anna", "release", "unit tests")
    yield "commit_author", NAME, m.fake.name
    yield "author_email", EMAIL, mail(m)
    yield "branch", None, m.pick("main", "feature/phone-number")
    yield "artifact_version", None, m.digits("%.%#.#.##")
    yield "exit_code", None, m.pick("0", "1")
    yield "runner_ip", EITHER, m.digits("10.#.%#.%#")
    yield "docker_digest", None, m.digits("sha256:~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "duration_ms", None, m.whole(1000, 9_000_000)
    yield "node", None, m.pick("agent-1", "agent-2")
    yield "cache_key", None, m.digits("~~~~~~~~~~~~~~~~")
    yield "coverage", None, m.real(50, 100)


@family("en_US", "fr_FR", "de_DE")
def later_kyc(m: Make) -> Iterator[Spec]:
    yield "customer_ref", EITHER, m.digits("C########")
    yield "given", FIRST, m.fake.first_name
    yield "family", LAST, m.fake.last_name
    yield "born_on", BIRTH, m.day(1940, 2004)
    yield "citizen_of", NATION, m.pick("France", "Germany", "Spain")
    yield "income_band", PAY, m.pick("<20k", "20k-40k", ">40k")
    yield "employer", None, m.fake.company
    yield "id_doc_no", NATIONAL, m.digits("@@#######")
    yield "source_of_funds", EITHER, m.pick("salary", "inheritance")
    yield "risk_rating", EITHER, m.pick("low", "high")
    yield "pep_flag", EITHER, m.pick("Y", "N")
    yield "settlement_iban", IBAN, iban(m)
    yield "opened_by_branch", None, m.digits("B###")


@family("en_US")
def later_cards_of_games(m: Make) -> Iterator[Spec]:
    """A game with persons' words for things that are none."""
    yield "player_class", None, m.pick("mage", "knight")
    yield "race", None, m.pick("elf", "orc", "human", "dwarf")
    yield "gender", EITHER, m.pick("male", "female")
    yield "hero_name", None, m.pick("Thrall", "Jaina Proudmoore", "Arthas Menethil", "Sylvanas Windrunner")
    yield "health", None, m.whole(10, 999)
    yield "mana", None, m.whole(10, 999)
    yield "weapon", None, m.pick("sword", "axe")
    yield "religion", None, m.pick("light", "void")
    yield "party", None, m.pick("red", "blue")
    yield "guild", None, m.pick("Night Watch", "Iron Hand")


@family("en_US", "de_DE")
def later_energy(m: Make) -> Iterator[Spec]:
    yield "meter_id", EITHER, m.digits("1ESY##########")
    yield "zaehlpunkt", EITHER, m.digits("DE0#############################")
    yield "kwh", None, m.real(0, 90, 3)
    yield "reading_ts", None, m.day(2024, 2025, "%Y-%m-%d %H:00:00")
    yield "tariff", None, m.pick("T1", "T2")
    yield "phase", None, m.pick("L1", "L2")
    yield "voltage", None, m.normal(230, 2, 2)
    yield "grid_operator", None, m.pick("Netze BW", "Stromnetz Berlin")
    yield "contract_holder", NAME, m.fake.name
    yield "supply_city", CITY, m.fake.city


@family("en_US", "de_DE", "fr_FR")
def later_forum(m: Make) -> Iterator[Spec]:
    yield "nickname", USER, m.fake.user_name
    yield "post", EITHER, lambda: m.fake.paragraph(2)
    yield "signature", EITHER, m.fake.sentence
    yield "joined_on", None, m.day(2005, 2024)
    yield "karma", None, m.whole(0, 9999)
    yield "reg_ip", IP, m.fake.ipv4_public
    yield "pw_md5", PASSWORD, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "dob_public", None, m.pick("0", "1")
    yield "board", None, m.pick("General", "Python", "Ruby")
    yield "fpc_cookie", COOKIE, m.digits("~~~~~~~~-~~~~-4~~~-8~~~-~~~~~~~~~~~~")
    yield "views", None, m.whole(0, 9999)
