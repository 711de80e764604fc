"""Tables of other fields and other habits of naming than those in the other modules."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.tables import EITHER, Make, Spec, family
from tests.corpus.tables_domains import (
    BIOMETRIC,
    COOKIE,
    CRIME,
    DEVICE,
    ETHNIC,
    GENETIC,
    HEALTH,
    MARITAL,
    NATION,
    PASSPORT,
    PASSWORD,
    PLACE,
    POLITICS,
    RECORD,
    RELIGION,
    SEXUAL,
)  # fmt: skip
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
    PLATE,
    POSTCODE,
    STREET,
    USER,
    iban,
    mail,
)  # fmt: skip


@family("en_US", "de_DE", "fr_FR", "es_ES")
def fresh_hotel_stays(m: Make) -> Iterator[Spec]:
    yield "confirmation", EITHER, m.digits("@@###@")
    yield "lead_guest", NAME, m.fake.name
    yield "guestEmail", EMAIL, mail(m)
    yield "contactPhone1", PHONE, m.from_templates("+39 3## #######", "+41 79 ### ## ##")
    yield "nationality_iso", NATION, m.pick("German", "Italian", "Swiss", "Dutch")
    yield "passportNumber", PASSPORT, m.digits("@@#######")
    yield "room_type", None, m.pick("double", "single", "suite")
    yield "adults", None, m.whole(1, 4)
    yield "children", EITHER, m.whole(0, 3)
    yield "arrival", EITHER, m.day(2022, 2025)
    yield "adr", None, m.real(40, 400)
    yield "meal", None, m.pick("BB", "HB", "FB")
    yield "agent_code", None, m.whole(1, 400)
    yield "special_requests", EITHER, m.pick("late arrival", "high floor", "cot")
    yield "hotel", None, m.pick("City Hotel", "Resort Hotel", "Hotel Maria")


@family("en_US", "en_GB", "de_DE")
def fresh_bank_marketing(m: Make) -> Iterator[Spec]:
    yield "age", AGE, m.whole(18, 88)
    yield "job", JOB, m.pick("admin.", "blue-collar", "technician", "retired", "student")
    yield "marital", MARITAL, m.pick("married", "single", "divorced")
    yield "education", EITHER, m.pick("primary", "secondary", "tertiary")
    yield "default", EITHER, m.pick("no", "yes")
    yield "balance", EITHER, m.whole(-900, 20_000)
    yield "housing", EITHER, m.pick("yes", "no")
    yield "contact", None, m.pick("cellular", "telephone", "unknown")
    yield "day_of_week", None, m.pick("mon", "tue")
    yield "duration", None, m.whole(4, 3000)
    yield "emp.var.rate", None, m.pick("1.1", "-1.8")
    yield "poutcome", None, m.pick("failure", "success")
    yield "y", EITHER, m.pick("no", "yes")


@family("en_US")
def fresh_stroke(m: Make) -> Iterator[Spec]:
    yield "id", EITHER, m.serial()
    yield "gender", GENDER, m.pick("Male", "Female")
    yield "age", AGE, m.whole(20, 82)
    yield "hypertension", HEALTH, m.pick("0", "1")
    yield "heart_disease", HEALTH, m.pick("0", "1")
    yield "ever_married", MARITAL, m.pick("Yes", "No")
    yield "work_type", EITHER, m.pick("Private", "Self-employed")
    yield "Residence_type", EITHER, m.pick("Urban", "Rural")
    yield "avg_glucose_level", HEALTH, m.real(55, 270)
    yield "bmi", HEALTH, m.real(15, 50, 1)
    yield "smoking_status", HEALTH, m.pick("never smoked", "smokes", "formerly smoked")
    yield "stroke", HEALTH, m.pick("0", "1")


@family("en_US")
def fresh_churn(m: Make) -> Iterator[Spec]:
    yield "customerID", EITHER, m.digits("####-@@@@@")
    yield "gender", GENDER, m.pick("Male", "Female")
    yield "SeniorCitizen", EITHER, m.pick("0", "1")
    yield "tenure", None, m.whole(0, 72)
    yield "PhoneService", None, m.pick("Yes", "No")
    yield "MultipleLines", None, m.pick("Yes", "No", "No phone service")
    yield "InternetService", None, m.pick("DSL", "Fiber optic")
    yield "PaperlessBilling", None, m.pick("Yes", "No")
    yield "PaymentMethod", None, m.pick("Electronic check", "Credit card (automatic)", "Mailed check")
    yield "MonthlyCharges", None, m.real(18, 120)
    yield "TotalCharges", None, m.real(18, 8000)
    yield "Churn", None, m.pick("Yes", "No")


@family("en_US", "pt_BR", "it_IT")
def fresh_crm(m: Make) -> Iterator[Spec]:
    yield "LeadSource", None, m.pick("Web", "Referral")
    yield "Salutation", GENDER, m.pick("Mr.", "Ms.", "Mrs.")
    yield "FirstNm", FIRST, m.fake.first_name
    yield "LastNm", LAST, m.fake.last_name
    yield "AccountName", None, m.fake.company
    yield "Title", EITHER, m.fake.job
    yield "MobilePhone", PHONE, m.from_templates("+55 11 9####-####", "+1 212-7##-####")
    yield "MailingStreet", STREET, m.fake.street_address
    yield "MailingCity", CITY, m.fake.city
    yield "MailingPostalCode", POSTCODE, m.fake.postcode
    yield "MailingCountryCode", EITHER, m.pick("US", "BR")
    yield "IsDeleted", None, m.pick("false")
    yield "StageName", None, m.pick("Prospecting", "Closed Won")
    yield "Probability", None, m.whole(0, 100)
    yield "CampaignName", None, m.pick("Spring Gala", "Diana Launch", "Black Friday")
    yield "LastModifiedById", EITHER, m.digits("0055#00000@@@#@")


@family("en_US", "de_DE")
def fresh_security_events(m: Make) -> Iterator[Spec]:
    yield "event_time", None, m.day(2024, 2025, "%Y-%m-%dT%H:%M:%SZ")
    yield "src_ip", IP, m.fake.ipv4_public
    yield "dst_port", None, m.whole(1, 65535)
    yield "usr", USER, m.fake.user_name
    yield "actor_email", EMAIL, mail(m)
    yield "sha256", None, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "process_name", None, m.pick("svchost.exe", "chrome.exe", "python3")
    yield "cve", None, m.digits("CVE-2023-#####")
    yield "severity", None, m.pick("low", "high")
    yield "rule_name", None, m.pick("Suspicious login", "Port scan")
    yield "mac_src", DEVICE, m.fake.mac_address
    yield "user_agent_hash", None, m.digits("~~~~~~~~")
    yield "country_code", None, m.pick("DE", "US")
    yield "asn", None, m.whole(1000, 64000)
    yield "protocol_version", None, m.pick("1.2", "1.3")


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "sv_SE", "tr_TR", "ro_RO")
def fresh_delivery(m: Make) -> Iterator[Spec]:
    yield "stop_no", None, m.whole(1, 200)
    yield "deliver_to", NAME, m.fake.name
    yield "drop_address", STREET, lambda: f"{m.fake.street_address()}, {m.fake.postcode()} {m.fake.city()}"
    yield "notify", PHONE, m.from_templates("+48 ### ### ###", "+46 70 ### ## ##", "+40 7## ### ###")
    yield "weight", None, m.real(0.1, 30)
    yield "barcode", None, m.digits("JJD0003########")
    yield "window", None, m.pick("08-10", "10-12")
    yield "vehicle_plate", PLATE, m.fake.license_plate
    yield "route", None, m.digits("R-##")
    yield "courier", NAME, m.fake.name
    yield "signature_on_file", None, m.pick("Y", "N")
    yield "hub", None, m.pick("Leipzig", "Liège", "Kraków")


@family("en_US", "en_GB", "de_DE", "fr_FR")
def fresh_clinical_trial(m: Make) -> Iterator[Spec]:
    yield "SUBJID", EITHER, m.digits("###-####")
    yield "BRTHDTC", BIRTH, m.day(1935, 2000)
    yield "SEX", GENDER, m.pick("M", "F")
    yield "RACE", ETHNIC, m.pick("WHITE", "ASIAN", "BLACK OR AFRICAN AMERICAN")
    yield "ARMCD", None, m.pick("PBO", "TRT")
    yield "AETERM", HEALTH, m.pick("HEADACHE", "NAUSEA", "DIZZINESS", "FATIGUE", "MIGRAINE")
    yield "VISITNUM", None, m.whole(1, 9)
    yield "SITEID", None, m.digits("###")
    yield "patient_initials", EITHER, m.digits("@@")
    yield "hiv_status", HEALTH, m.pick("negative", "positive")
    yield "BLDGRP", HEALTH, m.pick("A+", "O-", "AB+", "B+", "O+")
    yield "LBORRESU", None, m.pick("mg/dL", "g/L")
    yield "investigator", NAME, lambda: f"Dr. {m.fake.name()}"


@family("en_US", "es_ES", "fr_FR", "de_DE", "it_IT", "pl_PL")
def fresh_tenants(m: Make) -> Iterator[Spec]:
    label = {
        "en": "occupant",
        "es": "arrendatario",
        "fr": "locataire",
        "de": "Mieter",
        "it": "inquilino",
        "pl": "najemca",
    }[m.locale[:2]]
    yield label, NAME, m.fake.name
    yield (
        {"en": "monthly_rent", "es": "renta_mensual", "fr": "loyer", "de": "Kaltmiete", "it": "canone", "pl": "czynsz"}[
            m.locale[:2]
        ],
        None,
        m.whole(300, 2500),
    )
    yield (
        {
            "en": "net_income",
            "es": "ingresos_netos",
            "fr": "revenus",
            "de": "Nettoeinkommen",
            "it": "reddito",
            "pl": "dochód",
        }[m.locale[:2]],
        PAY,
        m.whole(900, 8000),
    )
    yield (
        {"en": "bank_acct", "es": "cuenta", "fr": "RIB", "de": "Bankverbindung", "it": "conto", "pl": "rachunek"}[
            m.locale[:2]
        ],
        IBAN,
        iban(m),
    )
    yield (
        {"en": "floor", "es": "planta", "fr": "étage", "de": "Etage", "it": "piano", "pl": "piętro"}[m.locale[:2]],
        None,
        m.whole(0, 9),
    )
    yield (
        {
            "en": "sqft",
            "es": "superficie",
            "fr": "surface",
            "de": "Wohnfläche",
            "it": "superficie",
            "pl": "powierzchnia",
        }[m.locale[:2]],
        None,
        m.real(20, 180),
    )
    yield (
        {
            "en": "move_in",
            "es": "fecha_entrada",
            "fr": "entrée",
            "de": "Einzug",
            "it": "ingresso",
            "pl": "wprowadzenie",
        }[m.locale[:2]],
        EITHER,
        m.day(2010, 2024),
    )
    yield (
        {
            "en": "meter_no",
            "es": "contador",
            "fr": "compteur",
            "de": "Zählernummer",
            "it": "contatore",
            "pl": "licznik",
        }[m.locale[:2]],
        None,
        m.digits("1EMH00########"),
    )


@family("en_US")
def fresh_dating(m: Make) -> Iterator[Spec]:
    yield "profile_handle", USER, m.fake.user_name
    yield "orientation", SEXUAL, m.pick("straight", "gay", "bisexual")
    yield "religion", RELIGION, m.pick("agnosticism", "catholicism", "atheism and laughing about it", "judaism")
    yield "ethnicity", ETHNIC, m.pick("white", "asian, white", "hispanic / latin", "black")
    yield "body_type", EITHER, m.pick("fit", "curvy")
    yield "diet", EITHER, m.pick("vegan", "anything")
    yield "drugs", EITHER, m.pick("never", "sometimes")
    yield "height", EITHER, m.whole(58, 80)
    yield "sign", EITHER, m.pick("leo", "aries and it matters a lot")
    yield "essay0", EITHER, lambda: m.fake.paragraph(3)
    yield "last_online", EITHER, m.day(2023, 2024, "%Y-%m-%d-%H-%M")
    yield "age", AGE, m.whole(18, 69)
    yield "premium_tier", None, m.pick("gold", "silver")


@family("en_US", "de_DE")
def fresh_iot_fleet(m: Make) -> Iterator[Spec]:
    yield "unit", None, m.digits("U-#####")
    yield "fw", None, m.digits("%.%#.%#.#")
    yield "rssi", None, m.whole(-110, -30)
    yield "temp_c", None, m.normal(21, 4)
    yield "gateway_eui", None, m.digits("~~~~~~~~~~~~~~~~")
    yield "uptime_ms", None, m.whole(10**9, 10**10)
    yield "crc", None, m.digits("0x~~~~")
    yield "calibration_date", None, m.day(1995, 2024)
    yield "batch_no", None, m.digits("%##########")
    yield "serial", None, m.digits("%########")
    yield "part_no", None, m.digits("###-##-####")
    yield "site_lat", None, m.real(50, 52, 5)
    yield "site_lon", None, m.real(8, 10, 5)
    yield "plant_name", None, m.pick("Werk Hannover", "Werk Köln")
    yield "operator_count", None, m.whole(1, 9)


@family("en_US", "fr_FR")
def fresh_library(m: Make) -> Iterator[Spec]:
    yield "title", None, m.pick("Emma", "Mrs Dalloway", "Jane Eyre", "Doctor Zhivago", "Madame Bovary")
    yield "contributor", NAME, lambda: f"{m.fake.last_name()}, {m.fake.first_name()}"
    yield "imprint", None, m.pick("Gallimard", "Penguin Classics", "Faber & Faber")
    yield "callnumber", None, m.digits("PR####.@## 19##")
    yield "copies", None, m.whole(1, 9)
    yield "lccn", None, m.digits("20########")
    yield "oclc", None, m.digits("##########")
    yield "issn", None, m.digits("####-####")
    yield "pub_year", None, m.whole(1900, 2024)
    yield "subject", None, m.pick("Catholic Church", "Diabetes", "Socialism", "Women")
    yield "audience", None, m.pick("adult", "juvenile", "children")


@family("en_US", "de_DE")
def fresh_price_list(m: Make) -> Iterator[Spec]:
    yield "Bezeichnung", None, m.pick("Schraube M4", "Mutter M6", "Unterlegscheibe")
    yield "Artikelnr", None, m.digits("4#########")
    yield "EAN", None, m.digits("40###########")
    yield "VPE", None, m.whole(1, 1000)
    yield "Preis", None, m.real(0.01, 90)
    yield "Lieferant", None, m.pick("Würth GmbH", "Hans Müller KG", "Bosch")
    yield "Lagerort", None, m.digits("A-##-##")
    yield "Bestand", None, m.whole(0, 9999)
    yield "Gewicht", None, m.real(0.1, 900, 1)
    yield "Zolltarif", None, m.digits("########")
    yield "Farbe", None, m.pick("rot", "schwarz", "weiss")
    yield "Norm", None, m.pick("DIN 934", "ISO 4017")


@family("en_US")
def fresh_elections(m: Make) -> Iterator[Spec]:
    """Results of an election, which are about nobody."""
    yield "precinct", None, m.digits("P-###")
    yield "registered_voters", None, m.whole(100, 9000)
    yield "turnout", None, m.real(30, 90, 1)
    yield "votes_dem", None, m.whole(10, 4000)
    yield "votes_rep", None, m.whole(10, 4000)
    yield "county", None, m.pick("Kent", "Orange", "Lake")
    yield "polling_station", None, m.pick("St. Mary School", "Town Hall", "Fire Station 4")
    yield "party_total", None, m.whole(1, 9)
    yield "fips", None, m.digits("%####")


@family("en_US", "de_DE", "es_ES")
def fresh_insurance_claims(m: Make) -> Iterator[Spec]:
    yield "policy_no", EITHER, m.digits("POL-#######")
    yield "insured_dob", BIRTH, m.day(1940, 2003)
    yield "insured_sex", GENDER, m.pick("MALE", "FEMALE")
    yield "insured_zip", POSTCODE, m.digits("%####")
    yield "insured_occupation", JOB, m.pick("craft-repair", "sales", "tech-support", "armed-forces")
    yield "insured_relationship", EITHER, m.pick("husband", "own-child")
    yield "witness_name", NAME, m.fake.name
    yield "auto_make", None, m.pick("Saab", "Mercedes", "Dodge")
    yield "auto_year", None, m.whole(1995, 2020)
    yield "claim_amount", None, m.real(100, 90_000)
    yield "incident_type", None, m.pick("Parked Car", "Vehicle Theft", "Collision")
    yield "injury_description", HEALTH, m.pick("whiplash", "fracture", "concussion")
    yield "police_report", None, m.pick("YES", "NO")
    yield "deductible", None, m.pick("500", "1000")


@family("en_US")
def fresh_police(m: Make) -> Iterator[Spec]:
    yield "officer_badge", EITHER, m.digits("####")
    yield "subject_race", ETHNIC, m.pick("white", "black", "hispanic", "asian/pacific islander")
    yield "subject_age", AGE, m.whole(16, 80)
    yield "subject_sex", GENDER, m.pick("male", "female")
    yield "reason_for_stop", EITHER, m.pick("Speeding", "Registration", "Equipment")
    yield "arrest_made", CRIME, m.pick("TRUE", "FALSE")
    yield "charges_filed", CRIME, m.pick("dui", "possession", "assault", "none")
    yield "vehicle_plate_state", EITHER, m.pick("CA", "NY")
    yield "beat", None, m.whole(1, 90)
    yield "body_cam", None, m.pick("TRUE", "FALSE")


@family("en_US", "en_GB", "de_DE", "pl_PL")
def fresh_payroll(m: Make) -> Iterator[Spec]:
    yield "pers_no", EITHER, m.digits("000#####")
    yield "employee", NAME, lambda: f"{m.fake.last_name()} {m.fake.first_name()}"
    yield "hired", EITHER, m.day(2000, 2024)
    yield "gross_pay", PAY, m.real(1800, 9000)
    yield "tax_class", EITHER, m.whole(1, 6)
    yield "church_tax", RELIGION, m.pick("rk", "ev", "--", "rk")
    yield "union_fee", NATION, m.real(5, 40)
    yield "payout_iban", IBAN, iban(m)
    yield "sick_days", HEALTH, m.whole(0, 40)
    yield "dept", EITHER, m.pick("IT", "HR")
    yield "overtime", None, m.real(0, 30, 1)
    yield "pay_period", None, m.day(2023, 2024, "%Y-%m")


@family("en_US", "de_DE", "fr_FR", "ja_JP", "ru_RU")
def fresh_api_users(m: Make) -> Iterator[Spec]:
    yield "data.id", EITHER, m.fake.uuid4
    yield "data.attributes.full_name", NAME, m.fake.name
    yield "data.attributes.birthday", BIRTH, m.day(1950, 2004)
    yield "data.attributes.avatar", EITHER, m.digits("https://img.host.net/~~~~.png")
    yield "data.attributes.email", EMAIL, mail(m)
    yield "data.attributes.last_ip", IP, m.fake.ipv4_public
    yield "data.attributes.password_digest", PASSWORD, m.digits("$2a$12$~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "data.attributes.locale", None, m.pick("en", "fr")
    yield "data.relationships.plan", None, m.pick("free", "pro")
    yield "meta.page.size", None, m.pick("50")
    yield "meta.etag", None, m.digits("W/~~~~~~~~")
    yield "data.attributes.device_uuid", DEVICE, m.fake.uuid4
    yield "data.attributes.ga_client_id", COOKIE, m.digits("GA1.2.%#########.16########")
    yield "data.attributes.geo.lat", PLACE, m.real(40, 50, 5)


@family("en_US", "es_MX", "pt_BR")
def fresh_voters(m: Make) -> Iterator[Spec]:
    yield "VoterName", NAME, m.upper(m.fake.name)
    yield "ResAddress", STREET, m.upper(m.fake.street_address)
    yield "PartyAffil", POLITICS, m.pick("DEM", "REP", "NPA", "LPF")
    yield "RegDate", EITHER, m.day(1990, 2024)
    yield "BirthYear", BIRTH, m.whole(1930, 2005)
    yield "PrecinctNo", None, m.digits("###")
    yield "Congressional", None, m.whole(1, 27)
    yield "BallotStyle", None, m.pick("A1", "B2")


@family("en_US", "de_DE")
def fresh_genomics_cohort(m: Make) -> Iterator[Spec]:
    yield "participant", EITHER, m.digits("HG0####")
    yield "brca1_variant", GENETIC, m.pick("c.68_69del", "c.5266dup", "none")
    yield "apoe_genotype", GENETIC, m.pick("e3/e3", "e3/e4", "e2/e3")
    yield "superpopulation", EITHER, m.pick("EUR", "AFR")
    yield "coverage", None, m.real(20, 60, 1)
    yield "call_rate", None, m.real(0.9, 1, 4)
    yield "assay", None, m.pick("WGS", "WES")
    yield (
        "voice_sample_embedding",
        BIOMETRIC,
        lambda: "[" + ", ".join(f"{m.random.gauss(0, 1):.3f}" for _ in range(6)) + "]",
    )


@family("en_US", "sv_SE", "fi_FI", "no_NO", "pl_PL", "ro_RO")
def fresh_registry(m: Make) -> Iterator[Spec]:
    """Numbers of persons under a header that says little, beside numbers of things."""
    yield "key", NATIONAL, m.fake.ssn if m.locale != "en_US" else m.digits("%#%-##-####")
    yield "doc_no", None, m.digits("%######")
    yield "sum_insured", None, m.whole(10_000, 900_000)
    yield "page_count", None, m.whole(1, 90)
    yield "checksum", None, m.digits("########")
    yield "created_unix", None, m.whole(1_500_000_000, 1_700_000_000)
    yield "mrn_link", RECORD, m.digits("%#######")


@family("en_US", "de_DE")
def fresh_cards(m: Make) -> Iterator[Spec]:
    yield "payment_token", EITHER, m.digits("tok_~~~~~~~~~~~~~~~~")
    yield "instrument", CARD, m.fake.credit_card_number
    yield "exp", EITHER, m.fake.credit_card_expire
    yield "terminal", None, m.digits("T#######")
    yield "auth_code", None, m.digits("######")
    yield "rrn", None, m.digits("############")
    yield "acquirer_ref", None, m.digits("7######################")
    yield "merchant", None, m.pick("Anna's Bakery", "Shell", "Rewe Markt GmbH")
    yield "amount", None, m.real(1, 400)
