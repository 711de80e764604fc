"""Tables of the fields in which models are trained: credit, medicine, genetics, schools, courts, phones, the web."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.tables import EITHER, Make, Spec, family
from tests.corpus.tables_people import (
    AGE,
    BIRTH,
    CITY,
    EMAIL,
    FIRST,
    GENDER,
    IP,
    JOB,
    LAST,
    NAME,
    PAY,
    PHONE,
    POSTCODE,
    STREET,
    USER,
    mail,
    person,
)  # fmt: skip

HEALTH, RECORD, GENETIC = (
    "user.health_and_medical",
    "user.health_and_medical.record_id",
    "user.health_and_medical.genetic",
)
RELIGION, ETHNIC, POLITICS = (
    "user.demographic.religious_belief",
    "user.demographic.race_ethnicity",
    "user.demographic.political_opinion",
)
SEXUAL, CRIME, CHILD = "user.demographic.sexual_orientation", "user.criminal_history", "user.childrens"
MARITAL, NATION, BIOMETRIC = "user.demographic.marital_status", "user.demographic", "user.biometric"
COOKIE, DEVICE, PLACE, PASSWORD = (
    "user.device.cookie_id",
    "user.device.device_id",
    "user.location.precise",
    "user.authorization.password",
)
WALLET, PASSPORT, LICENCE = (
    "user.financial",
    "user.government_id.passport_number",
    "user.government_id.drivers_license_number",
)
INSURANCE = "user.health_and_medical.insurance_beneficiary_id"


@family(rows=800)
def titanic(m: Make) -> Iterator[Spec]:
    yield "PassengerId", EITHER, m.serial()
    yield "Survived", EITHER, m.pick("0", "1")
    yield "Pclass", None, m.pick("1", "2", "3")
    yield (
        "Name",
        NAME,
        lambda: (
            f"{m.fake.last_name()}, {m.random.choice(['Mr', 'Mrs', 'Miss', 'Master'])}. {m.fake.first_name()} {m.fake.first_name()}"
        ),
    )
    yield "Sex", GENDER, m.pick("male", "female")
    yield "Age", AGE, m.gaps(m.whole(1, 80), 0.2)
    yield "SibSp", EITHER, m.mostly("0", "1", "2")
    yield "Ticket", None, m.digits("@/# %####")
    yield "Fare", None, m.real(5, 500, 4)
    yield "Cabin", None, m.gaps(m.digits("@##"), 0.7)
    yield "Embarked", None, m.pick("S", "C", "Q")


@family(rows=800)
def census(m: Make) -> Iterator[Spec]:
    yield "age", AGE, m.whole(17, 90)
    yield "workclass", EITHER, m.pick("Private", "State-gov", "Self-emp-inc")
    yield "fnlwgt", None, m.whole(20_000, 900_000)
    yield "education", EITHER, m.pick("HS-grad", "Bachelors", "Masters")
    yield "education-num", EITHER, m.whole(1, 16)
    yield "marital-status", MARITAL, m.pick("Never-married", "Married-civ-spouse", "Divorced", "Widowed")
    yield "occupation", JOB, m.pick("Sales", "Craft-repair", "Exec-managerial", "Tech-support")
    yield "relationship", EITHER, m.pick("Husband", "Own-child", "Not-in-family")
    yield "race", ETHNIC, m.pick("White", "Black", "Asian-Pac-Islander", "Other", "Amer-Indian-Eskimo")
    yield "sex", GENDER, m.pick("Male", "Female")
    yield "capital-gain", EITHER, m.mostly("0", "2174", "14084")
    yield "hours-per-week", EITHER, m.whole(10, 80)
    yield "native-country", NATION, m.pick("United-States", "Mexico", "Germany")
    yield "income", PAY, m.pick("<=50K", ">50K")


@family("en_US", "de_DE")
def credit_scoring(m: Make) -> Iterator[Spec]:
    yield "SK_ID_CURR", EITHER, m.serial()
    yield "CODE_GENDER", GENDER, m.pick("M", "F")
    yield "AMT_INCOME_TOTAL", PAY, m.whole(20_000, 200_000)
    yield "AMT_CREDIT", EITHER, m.whole(2000, 900_000)
    yield "NAME_FAMILY_STATUS", MARITAL, m.pick("Married", "Single", "Widow")
    yield "OCCUPATION_TYPE", JOB, m.pick("Laborers", "Drivers", "Managers")
    yield "CNT_CHILDREN", EITHER, m.whole(0, 4)
    yield "EXT_SOURCE_1", None, m.real(0, 1, 6)
    yield "FLAG_EMAIL", None, m.pick("0", "1")
    yield "FLAG_PHONE", None, m.pick("0", "1")
    yield "WEEKDAY_APPR_PROCESS_START", None, m.pick("MONDAY", "FRIDAY")
    yield "TARGET", EITHER, m.pick("0", "1")
    yield "ORGANIZATION_TYPE", None, m.pick("Business Entity", "School", "Religion")


@family(rows=500)
def loans(m: Make) -> Iterator[Spec]:
    yield "loan_id", EITHER, m.digits("LP00####")
    yield "applicant", NAME, m.fake.name
    yield "annual_inc", PAY, m.whole(20_000, 200_000)
    yield "emp_title", JOB, m.fake.job
    yield "int_rate", None, m.real(3, 20)
    yield "term", None, m.pick("36 months", "60 months")
    yield "zip_code", POSTCODE, m.digits("###xx")
    yield "grade", None, m.pick("A", "B", "C")
    yield "fico_low", EITHER, m.whole(500, 850)
    yield "issue_d", None, m.day(2015, 2020, "%b-%Y")
    yield "purpose", None, m.pick("car", "medical", "wedding")
    yield "ssn", "user.government_id", m.fake.ssn


@family("en_US", "en_GB", "de_DE")
def admissions(m: Make) -> Iterator[Spec]:
    yield "SUBJECT_ID", EITHER, m.serial()
    yield "mrn", RECORD, m.digits("%#######")
    yield "patient_name", NAME, person(m)
    yield "dob", BIRTH, m.day(1930, 2002)
    yield "ICD10_CODE", HEALTH, m.pick("E11.9", "I10", "J45.909", "F32.1", "C50.911", "M54.5")
    yield "diagnosis", HEALTH, m.pick("SEPSIS", "PNEUMONIA", "CHEST PAIN", "STROKE/TIA")
    yield "RELIGION", RELIGION, m.pick("CATHOLIC", "PROTESTANT QUAKER", "JEWISH", "NOT SPECIFIED")
    yield "ETHNICITY", ETHNIC, m.pick("WHITE", "BLACK/AFRICAN AMERICAN", "HISPANIC OR LATINO", "ASIAN")
    yield "MARITAL_STATUS", MARITAL, m.pick("MARRIED", "SINGLE", "WIDOWED")
    yield "ADMISSION_LOCATION", None, m.pick("EMERGENCY ROOM ADMIT", "CLINIC REFERRAL")
    yield "ward", None, m.pick("MICU", "CCU", "NICU")
    yield "ADMITTIME", EITHER, m.day(2018, 2022, "%Y-%m-%d 08:00:00")
    yield "bed", None, m.digits("B-##")
    yield "insurance", EITHER, m.pick("Medicare", "Private")


@family()
def lab_values(m: Make) -> Iterator[Spec]:
    yield "patient_id", EITHER, m.serial()
    yield "loinc", EITHER, m.pick("2345-7", "718-7", "4548-4")
    yield "glucose_mg_dl", HEALTH, m.whole(60, 300)
    yield "HbA1c", HEALTH, m.real(4, 12, 1)
    yield "cholesterol", HEALTH, m.whole(120, 320)
    yield "systolic_bp", HEALTH, m.whole(90, 190)
    yield "BMI", HEALTH, m.real(17, 42, 1)
    yield "smoker", HEALTH, m.pick("yes", "no")
    yield "blood_type", HEALTH, m.pick("A+", "0-", "AB+", "B-")
    yield "unit", None, m.pick("mg/dL", "mmol/L")
    yield "device_sn", None, m.digits("LX-#####")
    yield "reagent_lot", None, m.digits("#######@")
    yield "measured_at", EITHER, m.day(2023, 2025)


@family()
def diabetes_study(m: Make) -> Iterator[Spec]:
    yield "Pregnancies", HEALTH, m.whole(0, 12)
    yield "Glucose", HEALTH, m.whole(60, 200)
    yield "BloodPressure", HEALTH, m.whole(50, 110)
    yield "SkinThickness", EITHER, m.whole(10, 60)
    yield "Insulin", EITHER, m.whole(0, 400)
    yield "DiabetesPedigreeFunction", EITHER, m.real(0, 2, 3)
    yield "Age", AGE, m.whole(21, 81)
    yield "Outcome", EITHER, m.pick("0", "1")


@family("en_US", "de_DE", "fr_FR")
def prescriptions(m: Make) -> Iterator[Spec]:
    yield "pat", NAME, m.fake.name
    yield "atc_code", HEALTH, m.pick("A10BA02", "C09AA05", "N06AB04", "R03AC02", "J01CA04")
    yield "medication", HEALTH, m.pick("metformin", "ramipril", "citalopram", "salbutamol")
    yield "dx", HEALTH, m.pick("E11.9", "I10.0", "F32.1", "J45.9", "K21.0", "M54.5", "G43.1")
    yield "allergies", HEALTH, m.pick("penicillin", "none", "nuts", "latex")
    yield "quantity", None, m.whole(1, 100)
    yield "pzn", None, m.digits("########")
    yield "price", None, m.real(1, 200)
    yield "pharmacy", None, m.pick("Löwen-Apotheke", "City Pharmacy", "Stern Apotheke")
    yield "filled_on", EITHER, m.day(2024, 2025)
    yield "icd9", HEALTH, m.pick("250.00", "401.9", "493.90", "311", "V58.67")


@family()
def genotypes(m: Make) -> Iterator[Spec]:
    yield "sample", EITHER, m.digits("NA#####")
    yield "rsid", GENETIC, m.digits("rs%######")
    yield "genotype", GENETIC, m.pick("AA", "AG", "GG", "CT", "TT")
    yield "chromosome", None, m.whole(1, 22)
    yield "position", None, m.whole(10_000, 200_000_000)
    yield "quality", None, m.whole(10, 99)
    yield "filter", None, m.pick("PASS", "LowQual")
    yield "snp", GENETIC, m.digits("rs%#####")


@family()
def dna_reads(m: Make) -> Iterator[Spec]:
    yield "donor", EITHER, m.digits("D###")
    yield "dna_sequence", GENETIC, lambda: "".join(m.random.choice("ACGT") for _ in range(60))
    yield "gc_content", None, m.real(0.3, 0.6, 3)
    yield "length", None, m.pick("60")
    yield "x1", GENETIC, m.digits("rs%#######")
    yield "run", None, m.digits("SRR#######")


@family("en_US", "de_DE", "fr_FR", "es_ES")
def pupils(m: Make) -> Iterator[Spec]:
    yield m.random.choice(["pupil", "student_name", "child_name"]), NAME, m.fake.name
    yield "grade_level", CHILD, m.whole(1, 8)
    yield "age", CHILD, m.whole(6, 14)
    yield "guardian", NAME, m.fake.name
    yield "guardian_phone", PHONE, m.from_templates("+49 171 #######", "+1 212 7## ####")
    yield "math_score", EITHER, m.whole(0, 100)
    yield "school", EITHER, m.pick("Goethe-Gymnasium", "Lincoln Elementary", "École Jules Ferry")
    yield "room", None, m.digits("@##")
    yield "lunch_type", EITHER, m.pick("standard", "free/reduced")
    yield "bus_line", None, m.whole(1, 40)


@family()
def student_exams(m: Make) -> Iterator[Spec]:
    """The well-known table of exam scores."""
    yield "gender", GENDER, m.pick("male", "female")
    yield "race/ethnicity", ETHNIC, m.pick("group A", "group B", "group C")
    yield "parental level of education", EITHER, m.pick("some college", "high school")
    yield "lunch", EITHER, m.pick("standard", "free/reduced")
    yield "test preparation course", None, m.pick("none", "completed")
    yield "math score", EITHER, m.whole(0, 100)


@family("en_US", "de_DE")
def kindergarten(m: Make) -> Iterator[Spec]:
    yield "Kind", NAME, m.fake.name
    yield "birth_date", CHILD, m.day(2018, 2021)
    yield "mother", NAME, m.fake.name
    yield "father", NAME, m.fake.name
    yield "allergies", HEALTH, m.pick("nuts", "none", "milk")
    yield "enrolled", None, m.day(2022, 2024)
    yield "group", None, m.pick("bears", "owls")
    yield "fee", None, m.whole(50, 400)


@family()
def court(m: Make) -> Iterator[Spec]:
    yield "case_no", EITHER, m.digits("## CR ####")
    yield "defendant", NAME, m.fake.name
    yield "offense", CRIME, m.pick("theft", "burglary", "assault", "fraud", "driving under influence")
    yield "prior_convictions", CRIME, m.whole(0, 9)
    yield "sentence_months", CRIME, m.whole(0, 90)
    yield "judge", NAME, m.fake.name
    yield "c_charge_degree", CRIME, m.pick("F", "M")
    yield "race", ETHNIC, m.pick("African-American", "Caucasian", "Hispanic")
    yield "sex", GENDER, m.pick("Male", "Female")
    yield "court", None, m.pick("District Court", "County Court")
    yield "hearing_room", None, m.whole(1, 30)
    yield "filed", EITHER, m.day(2015, 2020)


@family("de_DE")
def vorstrafen(m: Make) -> Iterator[Spec]:
    yield "Beschuldigter", NAME, m.fake.name
    yield "Delikt", CRIME, m.pick("Diebstahl", "Betrug", "Körperverletzung", "Sachbeschädigung", "Raub")
    yield "Aktenzeichen", EITHER, m.digits("## Js ####/2#")
    yield "Vorstrafen", CRIME, m.whole(0, 5)
    yield "Gericht", None, m.pick("AG Köln", "LG Bonn")
    yield "Datum", EITHER, m.day(2018, 2024)


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL")
def members(m: Make) -> Iterator[Spec]:
    """Special categories in the language of the table, under their own names or none."""
    words = {
        "en": (["Catholic", "Muslim", "Jewish", "Hindu"], ["Democrat", "Republican", "Libertarian"], ["Unison", "Unite", "GMB"], ["heterosexual", "gay", "bisexual"]),
        "de": (["katholisch", "evangelisch", "muslimisch", "konfessionslos"], ["CDU", "SPD", "FDP", "Die Grünen"], ["IG Metall", "ver.di", "GEW"], ["heterosexuell", "schwul", "bisexuell"]),
        "fr": (["catholique", "musulman", "juif", "athée"], ["Renaissance", "Parti socialiste", "La France insoumise"], ["CGT", "CFDT", "FO"], ["hétérosexuel", "homosexuel", "bisexuel"]),
        "es": (["católico", "musulmán", "ateo", "judío"], ["PSOE", "Partido Popular", "Vox", "Podemos"], ["CCOO", "UGT", "USO"], ["heterosexual", "homosexual", "bisexual"]),
        "it": (["cattolico", "musulmano", "ateo", "ebreo"], ["Partito Democratico", "Lega", "Forza Italia"], ["CGIL", "CISL", "UIL"], ["eterosessuale", "omosessuale", "bisessuale"]),
        "nl": (["katholiek", "moslim", "protestants", "joods"], ["VVD", "PvdA", "D66", "PVV"], ["FNV", "CNV", "VCP"], ["heteroseksueel", "homoseksueel", "biseksueel"]),
    }[m.locale[:2]]  # fmt: skip
    headers = {
        "en": ("religion", "party", "trade_union", "sexual_orientation"), "de": ("Konfession", "Partei", "Gewerkschaft", "sexuelle Orientierung"),
        "fr": ("religion", "parti politique", "syndicat", "orientation sexuelle"), "es": ("religión", "partido político", "sindicato", "orientación sexual"),
        "it": ("religione", "partito politico", "sindacato", "orientamento sessuale"), "nl": ("geloof", "politieke partij", "vakbond", "seksuele geaardheid"),
    }[m.locale[:2]]  # fmt: skip
    numbered = m.random.random() < 0.5
    for place, (truth, values) in enumerate(zip((RELIGION, POLITICS, NATION, SEXUAL), words, strict=True)):
        yield f"q{place}" if numbered else headers[place], truth, m.gaps(m.pick(*values))
    yield "name", NAME, m.fake.name
    yield "joined", None, m.day(2001, 2024)
    yield "fee", None, m.pick("12.50", "25.00")
    yield "channel", None, m.pick("web", "desk")
    yield "branch", None, m.digits("B##")


@family()
def survey(m: Make) -> Iterator[Spec]:
    yield "respondent", EITHER, m.serial()
    yield "What is your age?", AGE, m.pick("18-24", "25-34", "35-44", "65+")
    yield "Gender", GENDER, m.pick("Man", "Woman", "Non-binary")
    yield "Country", EITHER, m.pick("Germany", "India")
    yield "ConvertedSalary", PAY, m.whole(10_000, 200_000)
    yield "SexualOrientation", SEXUAL, m.pick("Straight / Heterosexual", "Gay or Lesbian", "Bisexual")
    yield "RaceEthnicity", ETHNIC, m.pick("White or of European descent", "South Asian", "Black or of African descent")
    yield "JobSatisfaction", EITHER, m.pick("Slightly satisfied", "Very satisfied")
    yield "LanguageWorkedWith", None, m.pick("Python;SQL", "Java", "Ruby;Julia")
    yield "OperatingSystem", None, m.pick("MacOS", "Windows")
    yield "SurveyEase", None, m.pick("Easy", "Hard")
    yield "mental_health", HEALTH, m.pick("anxiety", "depression", "none")
    yield "ip_address", IP, m.fake.ipv4_public


@family("en_US", "en_GB", "fr_FR")
def human_resources(m: Make) -> Iterator[Spec]:
    yield "EmployeeNumber", EITHER, m.serial()
    yield "EmpName", NAME, m.fake.name
    yield "Age", AGE, m.whole(18, 64)
    yield "Department", EITHER, m.pick("Sales", "R&D")
    yield "JobRole", JOB, m.pick("Sales Executive", "Laboratory Technician", "Manager")
    yield "MonthlyIncome", PAY, m.whole(1000, 20_000)
    yield "MaritalStatus", MARITAL, m.pick("Single", "Married", "Divorced")
    yield "Gender", GENDER, m.pick("Male", "Female")
    yield "ManagerName", NAME, m.fake.name
    yield "DateOfHire", EITHER, m.day(2005, 2022)
    yield "PerformanceRating", EITHER, m.whole(1, 4)
    yield "OfficeFloor", None, m.whole(1, 12)
    yield "DaysAbsentSick", HEALTH, m.whole(0, 30)
    yield "sick_leave_reason", HEALTH, m.pick("influenza", "depression", "migraine", "back pain")
    yield "LaptopModel", None, m.pick("X1 Carbon", "MacBook Pro")


@family("en_US", "de_DE")
def web_log(m: Make) -> Iterator[Spec]:
    yield "client_ip", IP, m.fake.ipv4_public
    yield "cookie_id", COOKIE, m.fake.uuid4
    yield "user_agent", EITHER, m.fake.user_agent
    yield "path", None, m.pick("/", "/login", "/cart")
    yield "status", None, m.pick("200", "404")
    yield "bytes", None, m.whole(100, 90_000)
    yield "referrer", None, m.pick("https://search.net/", "-")
    yield "time", None, m.day(2024, 2025, "%Y-%m-%dT10:%M:00Z")
    yield "login", USER, m.fake.user_name
    yield "session_id", COOKIE, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")


@family()
def mobile_telemetry(m: Make) -> Iterator[Spec]:
    yield "device_id", DEVICE, m.fake.uuid4
    yield "idfa", DEVICE, m.upper(m.fake.uuid4)
    yield "imei", DEVICE, lambda: m.digits("35############%")()
    yield "imsi", DEVICE, m.digits("26201##########")
    yield "msisdn", PHONE, m.digits("49171#######")
    yield "wifi_mac", DEVICE, m.fake.mac_address
    yield "os_version", None, m.pick("17.1.2", "13")
    yield "battery", None, m.whole(0, 100)
    yield "app", None, m.pick("maps", "mail")
    yield "cell_id", EITHER, m.whole(10_000, 99_999)
    yield "signal_dbm", None, m.whole(-120, -40)
    yield "sdk", None, m.digits("%.#.#.#")


@family(rows=400)
def traces(m: Make) -> Iterator[Spec]:
    yield "uid", EITHER, m.pick("u1", "u2", "u3")
    yield "lat", PLACE, m.real(48, 49, 6)
    yield "lon", PLACE, m.real(11, 12, 6)
    yield "ts", EITHER, m.whole(1_600_000_000, 1_760_000_000)
    yield "speed", None, m.real(0, 30, 1)
    yield "accuracy_m", None, m.whole(3, 60)
    yield "mode", None, m.pick("bus", "walk")


@family()
def social(m: Make) -> Iterator[Spec]:
    yield "screen_name", USER, m.fake.user_name
    yield "twitter_handle", USER, lambda: "@" + m.fake.user_name()
    yield (
        "tweet",
        EITHER,
        lambda: f"@{m.fake.user_name()} thanks for the great talk yesterday at the meetup in town, see you soon again",
    )
    yield "followers_count", None, m.whole(0, 90_000)
    yield "retweets", None, m.whole(0, 900)
    yield "hashtags", None, m.pick("#ai", "#football")
    yield "lang", None, m.pick("en", "es")
    yield "password_hash", PASSWORD, m.digits("$2b$12$~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "password", PASSWORD, m.fake.password
    yield "tweet_id", None, m.digits("1%################")
    yield "verified", None, m.pick("true", "false")


@family("en_US", "de_DE", "fr_FR")
def chats(m: Make) -> Iterator[Spec]:
    yield "conversation_id", EITHER, m.fake.uuid4
    yield "role", None, m.pick("user", "assistant")
    yield (
        "content",
        EMAIL,
        m.from_templates(
            "Hi, my name is {name} and my order has not come, please write to {user_name}@mail-host.net or ring me",
            "Could you please explain the difference between a list and a tuple in this language with one example",
            "You can reach me at {user_name}@web-post.de at any time, my customer number is ######## as before",
        ),
    )
    yield "model", None, m.pick("gpt-4", "claude-3")
    yield "tokens", None, m.whole(1, 4000)
    yield "created_at", None, m.whole(1_700_000_000, 1_760_000_000)
    yield "thumbs", None, m.pick("up", "down")


@family()
def wallets(m: Make) -> Iterator[Spec]:
    yield "holder", NAME, m.fake.name
    yield "eth_address", WALLET, m.digits("0x~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "tx_hash", EITHER, m.digits("0x~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "gas", None, m.whole(21_000, 900_000)
    yield "value_wei", EITHER, m.whole(10**15, 10**18)
    yield "block", None, m.whole(15_000_000, 20_000_000)
    yield "token", None, m.pick("USDC", "DAI")


@family()
def documents(m: Make) -> Iterator[Spec]:
    yield "passport_no", PASSPORT, m.digits("@########")
    yield "driver_license", LICENCE, m.digits("@#######")
    yield "traveller", NAME, m.fake.name
    yield "nationality", NATION, m.pick("German", "French", "Polish")
    yield "visa_type", EITHER, m.pick("tourist", "work")
    yield "expiry", EITHER, m.day(2026, 2034)
    yield "issuing_country", None, m.pick("DEU", "FRA")
    yield "flight", None, m.digits("LH###")
    yield "seat", None, m.digits("%#@")
    yield "gate", None, m.digits("@##")
    yield "pnr", EITHER, m.digits("@@#@@#")


@family()
def biometrics(m: Make) -> Iterator[Spec]:
    yield "subject", EITHER, m.digits("S###")
    yield "face_embedding", BIOMETRIC, lambda: "[" + ", ".join(f"{m.random.gauss(0, 1):.4f}" for _ in range(8)) + "]"
    yield "fingerprint_template", BIOMETRIC, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "iris_code", BIOMETRIC, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "quality", None, m.real(0, 1, 3)
    yield "camera", None, m.pick("front", "back")
    yield "text_embedding", None, lambda: "[" + ", ".join(f"{m.random.gauss(0, 1):.4f}" for _ in range(8)) + "]"
    yield "lighting", None, m.pick("day", "night")


@family("en_US", "en_GB")
def recommender(m: Make) -> Iterator[Spec]:
    yield "userId", EITHER, m.serial()
    yield "gender", GENDER, m.pick("M", "F")
    yield "age", AGE, m.pick("18", "25", "35", "50", "56")
    yield "occupation", JOB, m.whole(0, 20)
    yield "zip", POSTCODE, m.digits("%####")
    yield "movieId", None, m.whole(1, 4000)
    yield "rating", None, m.real(1, 5, 1)
    yield "timestamp", None, m.whole(900_000_000, 1_000_000_000)
    yield "genres", None, m.pick("Action|Adventure", "Children's|Comedy", "Drama")
    yield "tag", None, m.pick("quirky", "Tom Hanks", "dark")


@family("en_US", "de_DE", "fr_FR", "es_ES", "it_IT")
def appointments(m: Make) -> Iterator[Spec]:
    label = {"en": "PatientName", "de": "Patient", "fr": "patient", "es": "paciente", "it": "paziente"}[m.locale[:2]]
    doctor = {"en": "Physician", "de": "Arzt", "fr": "médecin", "es": "médico", "it": "medico"}[m.locale[:2]]
    yield label, NAME, m.fake.name
    yield doctor, NAME, lambda: f"Dr. {m.fake.last_name()}"
    yield (
        {
            "en": "health_insurance_no",
            "de": "Versichertennummer",
            "fr": "numéro de sécurité sociale",
            "es": "tarjeta sanitaria",
            "it": "tessera sanitaria",
        }[m.locale[:2]],
        "user",
        m.digits("@#########"),
    )
    yield "appointment", EITHER, m.day(2024, 2025)
    yield "room", None, m.whole(1, 40)
    yield "duration_min", None, m.pick("15", "30")
    yield "sms_sent", None, m.pick("0", "1")
    yield "no_show", EITHER, m.pick("Yes", "No")
    yield "handicap", HEALTH, m.mostly("0", "1")
    yield "Hypertension", HEALTH, m.mostly("0", "1")


@family("en_US", "fr_FR", "de_DE", "nl_NL")
def flat_json(m: Make) -> Iterator[Spec]:
    yield "user.id", EITHER, m.serial()
    yield "user.profile.firstName", FIRST, m.fake.first_name
    yield "user.profile.lastName", LAST, m.fake.last_name
    yield "user.contact.emailAddress", EMAIL, mail(m)
    yield "user.contact.phones[]", PHONE, m.from_templates("+31 6 ########", "0221 45####")
    yield "user.address.street", STREET, m.fake.street_address
    yield "user.address.city", CITY, m.fake.city
    yield "items[].sku", None, m.digits("SK-####")
    yield "items[].price.value", None, m.real(1, 90)
    yield "meta.schema.version", None, m.pick("1.0.2")
    yield "meta.request.id", None, m.fake.uuid4
    yield "cart.total", None, m.real(1, 900)


@family("en_US", "de_DE", "es_ES", "it_IT", "pl_PL")
def call_centre(m: Make) -> Iterator[Spec]:
    yield "caller_number", PHONE, m.from_templates("+49 171 #######", "+34 6## ### ###")
    yield "agent", NAME, m.fake.name
    yield "duration", None, m.whole(4, 3000)
    yield "queue", None, m.pick("billing", "tech")
    yield (
        "transcript",
        EITHER,
        m.from_templates(
            "Hello, this is {name}, I am calling because the bill of last month is too high, can you check it please"
        ),
    )
    yield "sentiment", None, m.pick("neg", "pos")
    yield "resolved", None, m.pick("yes", "no")
    yield "trunk", None, m.whole(1, 9)
    yield "ticket_id", None, m.digits("7########")
    yield "wait_s", None, m.real(0, 600, 1)


@family("en_US", "en_GB", "de_DE", "fr_FR")
def authors(m: Make) -> Iterator[Spec]:
    yield "author", NAME, m.fake.name
    yield "committer_email", EMAIL, mail(m)
    yield "title", None, m.fake.catch_phrase
    yield "year", None, m.whole(1980, 2024)
    yield "doi", None, m.digits("10.10##/~~~~.####")
    yield "pages", None, m.digits("%##-%##")
    yield "journal", None, m.pick("Nature", "Science", "Cell")
    yield "citations", None, m.whole(0, 900)
    yield "orcid", "user", m.digits("0000-0002-####-####")
    yield "abstract", None, lambda: m.fake.paragraph(4)
