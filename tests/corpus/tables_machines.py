"""Tables about machines, goods and places, many of them written like personal data."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.tables import EITHER, Make, Spec, family


def _digit(code: str) -> str:
    """Return the GS1 check digit of a code."""
    total = sum(int(c) * (3 if place % 2 == 0 else 1) for place, c in enumerate(reversed(code)))
    return str(-total % 10)


def _luhn(code: str) -> str:
    total = 0
    for place, c in enumerate(reversed(code)):
        value = int(c) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


@family()
def products(m: Make) -> Iterator[Spec]:
    ean, gtin = m.digits("40########%#"), m.digits("0############")
    isbn = m.digits("9783#######%#"[:12])
    yield "product_id", None, m.serial()
    yield "ean", None, lambda: (c := ean()) + _digit(c)
    yield "gtin14", None, lambda: (c := gtin()) + _digit(c)
    yield "isbn13", None, lambda: (c := isbn()) + _digit(c)
    yield "article_no", None, lambda: (c := m.digits("%########")()) + _luhn(c)
    yield (
        "product_name",
        None,
        m.pick("Alpine Jacket", "Oak Table", "Florence Sofa", "Charlotte Chair", "Madison Desk", "Trail Shoe"),
    )
    yield (
        "brand",
        None,
        m.pick(
            "Hugo Boss", "Calvin Klein", "Tommy Hilfiger", "Jack Wolfskin", "Ralph Lauren", "Paul Smith", "Marc Jacobs"
        ),
    )
    yield "manufacturer", None, m.pick("Miller Ltd", "Schmidt GmbH", "Johnson Controls", "Siemens AG", "Rossi SpA")
    yield "colour", None, m.pick("white", "black", "red", "green")
    yield "price", None, m.real(1, 900)
    yield "stock", None, m.whole(0, 4000)
    yield "weight_g", None, m.whole(10, 9000)
    yield "size", None, m.pick("S", "M", "L", "XL")
    yield "hs_code", None, m.digits("%###.##.##")
    yield "serial_no", None, m.digits("@@#######@")


@family(rows=1000)
def orders(m: Make) -> Iterator[Spec]:
    yield "order_id", None, m.digits("###-##-####")
    yield "order_no", None, m.digits("%#########")
    yield "tracking", None, m.digits("1Z###@@########")
    yield "parcel", None, m.digits("00340434############")
    yield "invoice", None, m.digits("RE-2024-#####")
    yield "placed_at", None, m.whole(1_600_000_000, 1_760_000_000)
    yield "placed_ms", None, m.whole(1_600_000_000_000, 1_760_000_000_000)
    yield "warehouse", None, m.pick("BER1", "MUC3", "LYS2")
    yield "carrier", None, m.pick("DHL", "Hermes", "UPS", "DPD")
    yield "items", None, m.whole(1, 9)
    yield "total_cents", None, m.whole(100, 9_000_000)
    yield "coupon", None, m.digits("SAVE-@@@@-####")
    yield "status", None, m.pick("paid", "open", "returned")
    yield "transaction_ref", None, m.digits("4###########%%%%")


@family()
def servers(m: Make) -> Iterator[Spec]:
    yield "hostname", None, m.digits("web-##.prod.internal")
    yield "private_ip", EITHER, m.digits("10.#.%#.%#")
    yield "agent_version", None, m.digits("%.##.#.#")
    yield "kernel", None, m.digits("5.1#.0-%#-generic")
    yield "ip_version", None, m.pick("4", "6")
    yield "subnet", None, m.digits("10.%#.0.0/16")
    yield "port", None, m.whole(1024, 65535)
    yield "pid", None, m.whole(100, 99999)
    yield "container", None, m.digits("~~~~~~~~~~~~")
    yield "image", None, m.digits("registry.local/app@sha256:~~~~~~~~")
    yield "cpu", None, m.real(0, 100)
    yield "memory_bytes", None, m.whole(10_000_000, 64_000_000_000)
    yield "uptime_s", None, m.whole(10, 9_000_000)
    yield "oid", None, m.digits("1.3.6.1.%.#.%#")
    yield "service_account", EITHER, m.pick("svc-backup", "svc-web", "svc-db")


@family()
def software(m: Make) -> Iterator[Spec]:
    yield "package", None, m.pick("requests", "numpy", "Jinja2", "Pillow", "Django", "alice-bob")
    yield "version", None, m.digits("%.#.#.#")
    yield "file_version", None, m.digits("1%.0.%###.%##")
    yield "commit", None, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "short_sha", None, m.digits("~~~~~~~")
    yield "md5", None, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "file_name", None, m.pick("train.py", "foo.py", "model.bin", "data@2x.png", "README.md")
    yield "class_name", None, m.pick("UserManager", "Customer", "PhoneNumber", "EmailSender")
    yield "table_name", None, m.pick("users", "customers", "addresses", "phone_numbers")
    yield "function", None, m.pick("get_name", "parse_email", "send_sms")
    yield "module_path", None, m.pick("a.b.co", "torch.nn.Linear", "sklearn.svm.SVC")
    yield "import_line", None, m.pick("@angular/core", "@types/node@18.1.2", "lodash@4.17.21")
    yield "size_bytes", None, m.whole(100, 90_000_000)
    yield "line", None, m.whole(1, 4000)
    yield "license", None, m.pick("MIT", "Apache-2.0", "BSD-3-Clause")
    yield "pypi_url", None, m.digits("https://files.host.net/~~~~~~/pkg-%.#.#.tar.gz")


@family(rows=1000)
def sensors(m: Make) -> Iterator[Spec]:
    yield "timestamp", None, m.whole(1_600_000_000, 1_760_000_000)
    yield "sensor_id", None, m.digits("S-####")
    yield "station", None, m.pick("Bremen", "Erfurt", "Kiel", "Ulm")
    yield "temperature", None, m.normal(12, 8)
    yield "humidity", None, m.real(20, 100, 1)
    yield "pressure_hpa", None, m.normal(1013, 9, 1)
    yield "acc_x", None, m.normal(0, 1, 6)
    yield "lat_ms", None, m.real(1, 80, 3)
    yield "volt", None, m.normal(230, 3, 2)
    yield "rpm", None, m.whole(500, 6000)
    yield "fault_code", None, m.digits("P0###")
    yield "label", None, m.pick("normal", "fault")
    yield "battery_age", None, m.whole(0, 60)
    yield "heart_beat", None, m.whole(0, 1)


@family()
def weather_stations(m: Make) -> Iterator[Spec]:
    yield "station_name", None, m.pick("Frankfurt Main", "Berlin Tegel", "Saint Martin", "San Jose", "Victoria Falls")
    yield "latitude", None, m.real(47, 55, 4)
    yield "longitude", None, m.real(6, 15, 4)
    yield "elevation", None, m.whole(0, 2900)
    yield "city", None, m.fake.city
    yield "postal_code", None, m.digits("%####")
    yield "rain_mm", None, m.real(0, 40, 1)
    yield "wmo", None, m.digits("10###")


@family("de_DE", "fr_FR", "en_US", "it_IT")
def streets(m: Make) -> Iterator[Spec]:
    """Geography: names of streets without houses."""
    yield "osm_id", None, m.whole(10_000_000, 999_999_999)
    yield "street_name", None, m.fake.street_name
    yield "city", None, m.fake.city
    yield "length_m", None, m.real(20, 3000, 1)
    yield "max_speed", None, m.pick("30", "50", "70")
    yield "surface", None, m.pick("asphalt", "gravel")
    yield "population", None, m.whole(100, 4_000_000)
    yield "city_population", None, m.whole(1000, 9_000_000)
    yield "postcode", None, m.digits("%####")


@family()
def companies(m: Make) -> Iterator[Spec]:
    yield "company", None, m.fake.company
    yield (
        "Firma",
        None,
        m.pick("Müller GmbH", "Karl Schmidt KG", "Peter Hahn GmbH & Co. KG", "Otto Versand", "Anna Bäckerei OHG"),
    )
    yield "legal_form", None, m.pick("GmbH", "AG", "KG")
    yield "vat_id", None, m.digits("DE#########")
    yield "register_no", None, m.digits("HRB #####")
    yield "siret", None, m.digits("##############")
    yield "industry", None, m.pick("retail", "health", "religion")
    yield "employees", None, m.whole(1, 40000)
    yield "revenue_musd", None, m.real(1, 900)
    yield "founded", None, m.whole(1890, 2020)
    yield "ticker", None, m.digits("@@@")
    yield "isin", None, m.digits("DE000@@@###%")
    yield "lei", None, m.digits("529900@@@@####@@@@##")


@family()
def movies(m: Make) -> Iterator[Spec]:
    yield "movie_id", None, m.serial()
    yield (
        "title",
        None,
        m.pick(
            "Annie Hall",
            "Forrest Gump",
            "Thelma and Louise",
            "Jackie Brown",
            "Donnie Darko",
            "Erin Brockovich",
            "Rocky",
            "Alien",
        ),
    )
    yield "genre", None, m.pick("drama", "comedy", "straight to video")
    yield "release_year", None, m.whole(1930, 2024)
    yield "released", None, m.day(1935, 2020)
    yield "runtime_min", None, m.whole(60, 210)
    yield "budget", None, m.whole(100_000, 200_000_000)
    yield "imdb_id", None, m.digits("tt#######")
    yield "rating", None, m.real(1, 10, 1)
    yield "language", None, m.pick("en", "fr")
    yield "age_limit", None, m.pick("0", "6", "12", "16", "18")
    yield (
        "overview",
        None,
        m.pick(
            "A young man travels across the country to find the brother whom he has not seen for twenty long years",
            "Two friends rob a bank in a small town and hide from the police in a house by the sea during one summer",
        ),
    )


@family()
def books(m: Make) -> Iterator[Spec]:
    isbn = m.digits("9781########")
    yield "isbn", None, lambda: (c := isbn()) + _digit(c)
    yield (
        "book_title",
        None,
        m.pick(
            "Emma", "Jane Eyre", "Anna Karenina", "David Copperfield", "Oliver Twist", "Robinson Crusoe", "Silas Marner"
        ),
    )
    yield "pages", None, m.whole(80, 1200)
    yield "dewey", None, m.digits("###.##")
    yield "publisher", None, m.pick("Oxford University Press", "Penguin", "Suhrkamp")
    yield "published", None, m.day(1935, 2022)
    yield "shelf", None, m.digits("@-##")
    yield "character_count", None, m.whole(100_000, 2_000_000)


@family()
def experiments(m: Make) -> Iterator[Spec]:
    yield "run_id", None, m.digits("~~~~~~~~~~~~~~~~")
    yield "model_name", None, m.pick("bert-base", "llama-7b", "Claude Monet v2", "t5 large")
    yield "seed", None, m.whole(0, 2147483647)
    yield "lr", None, m.real(0.00001, 0.1, 6)
    yield "epoch", None, m.whole(1, 100)
    yield "val_loss", None, m.real(0, 3, 5)
    yield "accuracy", None, m.real(0, 1, 4)
    yield "params", None, m.whole(1_000_000, 70_000_000_000)
    yield "dataset", None, m.pick("adult", "titanic", "celeba")
    yield "gpu", None, m.pick("A100", "V100", "Tesla T4")
    yield "started", None, m.day(2023, 2025, "%Y-%m-%dT08:15:00Z")
    yield "tokenizer", None, m.pick("sentencepiece", "wordpiece")
    yield "confusion_age", None, m.real(0, 1, 3)
    yield "user_embedding_dim", None, m.pick("64", "128")


@family()
def lookalikes(m: Make) -> Iterator[Spec]:
    """Headers that hold a word for persons, and values that are about none."""
    yield "phone_model", None, m.pick("iPhone 14 Pro", "Galaxy S21", "Pixel 7a")
    yield "card_type", None, m.pick("debit", "credit")
    yield "email_verified", None, m.pick("true", "false")
    yield "ssn_verified", None, m.pick("0", "1")
    yield "address_type", None, m.pick("billing", "shipping")
    yield "ip_version", None, m.pick("4", "6")
    yield "age_of_building", None, m.whole(0, 120)
    yield "name_length", None, m.whole(2, 30)
    yield "gender_ratio", None, m.real(0, 1)
    yield "race_result", None, m.pick("1", "2", "3", "DNF")
    yield "race_distance", None, m.pick("5 km", "10 km", "42 km")
    yield "party_size", None, m.whole(1, 9)
    yield "party", None, m.pick("birthday", "wedding", "office")
    yield "cell_type", None, m.pick("T-cell", "B-cell")
    yield "street_count", None, m.whole(1, 400)
    yield "birth_weight_class", None, m.pick("a", "b")
    yield "mobile_share", None, m.real(0, 1)
    yield "union", None, m.pick("inner", "outer", "left")
    yield "sex_ratio", None, m.real(90, 110, 1)
    yield "orientation", None, m.pick("portrait", "landscape")
    yield "nationality_count", None, m.whole(1, 30)
    yield "conviction_rate", None, m.real(0, 1)
    yield "diagnosis_port", None, m.whole(1, 65535)
    yield "first", None, m.pick("table", "river", "engine")
    yield "last", None, m.pick("2", "5", "9")
    yield "handle", None, m.pick("left", "right", "none")
    yield "religion_page_views", None, m.whole(0, 9999)
    yield "account_type", None, m.pick("basic", "pro")
    yield "children_nodes", None, m.whole(0, 9)
    yield "parent_id", None, m.serial()
    yield "guardian_process", None, m.pick("supervisord", "systemd")


@family()
def templates(m: Make) -> Iterator[Spec]:
    yield "template_id", None, m.serial()
    yield "email", None, m.pick("Dear {name}, thank you", "Hello {{ first_name }}", "Hi %NAME%", "welcome_mail_v2")
    yield "subject", None, m.pick("Your order {order_id}", "Reset your password", "Welcome, {name}!")
    yield "phone", None, m.pick("{phone}", "+00 000 000000", "n/a", "XXX-XXX-XXXX")
    yield "name", None, m.pick("{{name}}", "<NAME>", "[NAME]", "FIRST LAST")
    yield "address", None, m.pick("{street}", "{city}", "<ADDRESS>")
    yield "masked_card", EITHER, m.digits("**** **** **** ####")
    yield "redacted", None, m.pick("[EMAIL]", "[PHONE]", "[PERSON]")
    yield "locale", None, m.pick("de_DE", "en_US")
    yield (
        "prompt",
        None,
        m.pick(
            "Write a short letter to {name} that explains why the parcel is late and when it will arrive at {address}",
            "Summarise the following conversation between the agent and the customer in three short bullet points please",
        ),
    )


@family()
def cards_by_chance(m: Make) -> Iterator[Spec]:
    """Long numbers of which a tenth passes Luhn by chance."""
    yield "device_serial", None, m.digits("4###############")
    yield "meter", None, m.digits("5%##############")
    yield "sample_no", None, m.digits("34#############")
    yield "n9", None, m.digits("#########")
    yield "n10", None, m.digits("%#########")
    yield "n11", None, m.digits("%##########")
    yield "n12", None, m.digits("%###########")
    yield "n13", None, m.digits("%############")
    yield "dashed", None, m.digits("%##-##-####")
    yield "dotted", None, m.digits("##.##.##-###.##")
    yield "lettered", None, m.digits("@########")
    yield "tail", None, m.digits("########@")
    yield "hex12", None, m.digits("~~~~~~~~~~~~")
    yield "decimal", None, m.real(1_000_000, 9_999_999, 2)
    yield "big", None, m.whole(10_000_000, 4_000_000_000)


@family()
def empty_and_constant(m: Make) -> Iterator[Spec]:
    yield "email", None, m.pick("", "NA", "null")
    yield "phone", None, lambda: None
    yield "name", None, m.pick("n/a")
    yield "birth_date", None, lambda: None
    yield "flag", None, m.pick("1")
    yield "country", None, m.pick("DE")
    yield "ssn", None, m.pick("unknown")
    yield "age", None, m.pick("0")
    yield "iban", None, m.pick("-")


@family()
def museum(m: Make) -> Iterator[Spec]:
    yield "museum", None, m.pick("Louvre", "Prado", "Uffizi", "Museum Ludwig", "Van Gogh Museum")
    yield "visitors", None, m.whole(100, 90_000)
    yield "visitors_total", None, m.whole(100_000, 9_000_000)
    yield "year", None, m.whole(1990, 2024)
    yield "tickets_child", None, m.whole(0, 5000)
    yield "city", None, m.pick("Paris", "Madrid", "Firenze", "Köln")
    yield "country", None, m.pick("FR", "ES", "IT", "DE")
    yield "exhibition", None, m.pick("Frida Kahlo", "Claude Monet", "The Blue Rider", "Roman Glass")
    yield "inventory_no", None, m.digits("19##.#.##")


@family()
def species(m: Make) -> Iterator[Spec]:
    yield "species", None, m.pick("Quercus robur", "Bellis perennis", "Parus major", "Vulpes vulpes", "Iris setosa")
    yield "common_name", None, m.pick("Daisy", "Robin", "Iris", "Jay", "Oak", "Fox")
    yield "sex", None, m.pick("male", "female")
    yield "age", None, m.whole(0, 15)
    yield "island", None, m.pick("Biscoe", "Dream", "Torgersen")
    yield "bill_length_mm", None, m.normal(44, 5)
    yield "body_mass_g", None, m.whole(2700, 6300)
    yield "ring_no", None, m.digits("@@ ######")
    yield "habitat", None, m.pick("forest", "coast")
    yield "gene", None, m.pick("BRCA1", "TP53", "EGFR")
    yield "chromosome", None, m.whole(1, 22)


@family()
def sports(m: Make) -> Iterator[Spec]:
    yield "team", None, m.pick("Real Madrid", "Borussia Dortmund", "Aston Villa", "San Antonio Spurs")
    yield "opponent", None, m.pick("Celta Vigo", "Werder Bremen", "Leeds United")
    yield "stadium", None, m.pick("San Siro", "Old Trafford", "Santiago Bernabeu", "Max Morlock Stadion")
    yield "goals", None, m.whole(0, 7)
    yield "attendance", None, m.whole(1000, 80_000)
    yield "match_date", None, m.day(1960, 2024)
    yield "league", None, m.pick("A", "B")
    yield "odds", None, m.real(1, 9)
    yield "season", None, m.pick("2020/21", "2021/22")
    yield "match_id", None, m.digits("##########")


@family("en_US", "de_DE")
def web_shop_events(m: Make) -> Iterator[Spec]:
    yield "event", None, m.pick("view", "click", "buy")
    yield "page", None, m.pick("/home", "/cart", "/anna-dress")
    yield "campaign", None, m.pick("spring_sale", "julia_2024", "newsletter")
    yield "utm_source", None, m.pick("google", "mail")
    yield "browser", None, m.pick("Safari", "Chrome", "Opera", "Edge")
    yield "os", None, m.pick("iOS 17.1.2", "Android 13", "Windows 10")
    yield "screen", None, m.pick("1920x1080", "390x844")
    yield "country", None, m.pick("DE", "US", "FR")
    yield "duration_ms", None, m.whole(1, 900_000)
    yield "price_cents", None, m.whole(99, 99_999)
    yield "ab_group", None, m.pick("a+", "b-", "a-", "b+")
    yield "app_version", None, m.digits("%.##.#")


@family()
def grades(m: Make) -> Iterator[Spec]:
    """Bonds, boats and wines with grades written like blood groups, parties and sexes."""
    yield "bond_rating", None, m.pick("A+", "A-", "B+", "B-", "AA+", "AAA")
    yield "school_grade", None, m.pick("A", "B", "C", "D")
    yield "wine_name", None, m.pick("Santa Rita", "Don Melchor", "Clos Saint Jacques", "Robert Mondavi")
    yield "vintage", None, m.whole(1950, 2022)
    yield "ship", None, m.pick("Queen Mary", "Santa Maria", "Emma Maersk")
    yield "imo", None, m.digits("9######")
    yield "mmsi", None, m.digits("2########")
    yield "hurricane", None, m.pick("Katrina", "Sandy", "Irma", "Harvey", "Maria", "Andrew", "Camille")
    yield "dog_breed", None, m.pick("German Shepherd", "Jack Russell", "Saint Bernard", "King Charles")
    yield "plug", None, m.pick("male", "female")
    yield "dose", None, m.pick("low", "medium", "high")
    yield "road", None, m.pick("straight", "curved")
    yield "hair", None, m.pick("straight", "curly")
    yield "chess", None, m.pick("white", "black")


@family()
def city_list(m: Make) -> Iterator[Spec]:
    yield "city", None, m.fake.city
    yield "state", None, m.fake.state
    yield "zip", None, m.fake.zipcode
    yield "county", None, m.pick("Orange", "Lake", "Kent")
    yield "area_km2", None, m.real(1, 900)
    yield "median_income", None, m.whole(20_000, 120_000)
    yield "median_age", None, m.real(30, 50, 1)
    yield "mayor_election_year", None, m.whole(1990, 2024)
    yield "population", None, m.whole(1000, 9_000_000)
    yield "capital", None, m.pick("yes", "no")


@family()
def housing(m: Make) -> Iterator[Spec]:
    yield "MedInc", None, m.real(0, 15, 4)
    yield "HouseAge", None, m.whole(1, 52)
    yield "AveRooms", None, m.real(1, 12, 4)
    yield "Population", None, m.whole(3, 4000)
    yield "Latitude", None, m.real(32, 42, 2)
    yield "Longitude", None, m.real(-124, -114, 2)
    yield "ocean_proximity", None, m.pick("INLAND", "NEAR BAY", "ISLAND")
    yield "MedHouseVal", None, m.real(0.1, 5, 3)
    yield "Neighborhood", None, m.pick("CollgCr", "Veenker", "NoRidge")
    yield "YearBuilt", None, m.whole(1880, 2010)
    yield "Street", None, m.pick("Pave", "Grvl")
    yield "LotArea", None, m.whole(1300, 200_000)


@family()
def gene_expression(m: Make) -> Iterator[Spec]:
    yield "gene_id", None, m.digits("ENSG000001#####")
    yield "symbol", None, m.pick("BRCA1", "TP53", "EGFR", "MYC", "KRAS")
    yield "log2fc", None, m.normal(0, 2, 4)
    yield "padj", None, m.real(0, 1, 6)
    yield "go_term", None, m.digits("GO:000####")
    yield "uniprot", None, m.digits("P####%")
    yield "pathway", None, m.pick("apoptosis", "cell cycle", "MAPK signaling")
    yield "chrom", None, m.pick("chr1", "chr2", "chrX")
    yield "start", None, m.whole(10_000, 200_000_000)
    yield "strand", None, m.pick("+", "-")


@family()
def images(m: Make) -> Iterator[Spec]:
    yield "image_id", None, m.digits("############")
    yield "file_name", None, m.digits("000000######.jpg")
    yield (
        "caption",
        None,
        m.pick(
            "A man riding a wave on top of a surfboard",
            "A woman with a dog sits on a bench in a park",
            "Two cats sleep on a red couch",
        ),
    )
    yield "width", None, m.pick("640", "480")
    yield "height", None, m.pick("480", "427")
    yield "bbox", None, m.digits("[%##.#, %#.##, %#.#, ##.#]")
    yield "category", None, m.pick("person", "dog", "car")
    yield "license", None, m.whole(1, 8)
    yield "coco_url", None, m.digits("http://images.host.org/train/000000######.jpg")
    yield "phash", None, m.digits("~~~~~~~~~~~~~~~~")


@family()
def tickets_machine(m: Make) -> Iterator[Spec]:
    yield "key", None, m.digits("OPS-####")
    yield "component", None, m.pick("login", "billing", "user profile")
    yield "priority", None, m.pick("P1", "P2")
    yield (
        "stack",
        None,
        m.pick(
            "at com.shop.Mail.send(Mail.java:112)", "File train.py line 12 in fit", "panic: index 4.1.2.9 out of range"
        ),
    )
    yield "error_code", None, m.digits("0x8007####")
    yield "build", None, m.digits("10.0.%####.%###")
    yield "request_id", None, m.fake.uuid4
    yield "trace", None, m.digits("~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~")
    yield "latency", None, m.real(0, 4, 4)
    yield "url", None, m.digits("https://shop.host.net/item/%######?ref=~~~~")
    yield "status_code", None, m.pick("200", "404", "500")
    yield (
        "log_line",
        None,
        m.digits("2024-05-1# 10:%#:%#,### INFO worker[%###] batch %##### done in #.### s, queue 1.2.3.%"),
    )


@family()
def timetable(m: Make) -> Iterator[Spec]:
    yield "line", None, m.pick("U1", "S3", "M10")
    yield (
        "stop_name",
        None,
        m.pick("Rosa-Luxemburg-Platz", "Karl-Marx-Allee", "Ernst Reuter Platz", "Jakob-Kaiser-Platz", "Hauptbahnhof"),
    )
    yield "stop_lat", None, m.real(52, 53, 5)
    yield "stop_lon", None, m.real(13, 14, 5)
    yield "departure", None, m.pick("08:15", "09:20", "23:59")
    yield "platform", None, m.whole(1, 12)
    yield "trip_id", None, m.digits("%######")
    yield "delay_s", None, m.whole(-60, 900)
    yield "route_color", None, m.digits("~~~~~~")
    yield "service_date", None, m.digits("202401##")


@family()
def finance_market(m: Make) -> Iterator[Spec]:
    yield "Date", None, m.day(2000, 2025)
    yield "Open", None, m.real(10, 400)
    yield "Close", None, m.real(10, 400)
    yield "Volume", None, m.whole(1_000_000, 90_000_000)
    yield "Name", None, m.pick("AAPL", "MSFT", "AMD", "KO")
    yield (
        "security",
        None,
        m.pick("Morgan Stanley", "Charles Schwab", "Johnson & Johnson", "JP Morgan Chase", "Wells Fargo"),
    )
    yield "cusip", None, m.digits("#####@##%")
    yield "dividend", None, m.real(0, 5, 3)
    yield "sector", None, m.pick("Energy", "Health Care", "Utilities")
    yield "fund", None, m.pick("Fidelity Contra", "Franklin Income", "Templeton Growth")


@family("en_US", "de_DE", "fr_FR", "es_ES")
def prose(m: Make) -> Iterator[Spec]:
    yield "headline", None, m.fake.catch_phrase
    yield "paragraph", None, lambda: m.fake.paragraph(4)
    yield "sentence", None, m.fake.sentence
    yield "word", None, m.fake.word
    yield "label", None, m.pick("pos", "neg")
    yield "tokens", None, m.whole(3, 900)
    yield "keywords", None, lambda: ", ".join(m.fake.words(4))
    yield "source_file", None, m.digits("doc_#####.txt")
    yield "question", None, m.pick("Who wrote Hamlet?", "When was Rome founded?", "What is the capital of Peru?")
    yield "answer", None, m.pick("William Shakespeare", "753 BC", "Lima", "42", "the Nile")
