"""Reads people_samples.txt: short code in eight languages with the lines at which something about people must be reported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WORDS = {
    "person": "user kunde client cliente cliente klant cliente klient",
    "patient": "patient patient patient paciente paziente patient paciente pacjent",
    "email": "email email_adresse courriel correo_electronico indirizzo_email emailadres endereco_email adres_email",
    "name": "full_name nachname nom_de_famille apellidos cognome achternaam sobrenome nazwisko",
    "birth": "date_of_birth geburtsdatum date_naissance fecha_nacimiento data_di_nascita geboortedatum data_nascimento data_urodzenia",
    "natid": "ssn steuer_id numero_secu dni codice_fiscale bsn cpf pesel",
    "phone": "phone_number telefonnummer numero_telephone telefono_movil numero_cellulare telefoonnummer telemovel numer_telefonu",
    "addr": "home_address wohnadresse adresse_postale domicilio indirizzo_residenza woonadres morada adres_zamieszkania",
    "relig": "religion glaube croyance_religieuse creencias_religiosas religione geloof religiao wyznanie",
    "ethn": "ethnicity ethnische_herkunft origine_ethnique etnia origine_etnica etnische_afkomst cor_da_pele pochodzenie_etniczne",
    "union": "union_membership gewerkschaft syndicat afiliacion_sindical sindacato vakbond sindicato zwiazek_zawodowy",
    "health": "diagnosis krankheit maladie enfermedad diagnosi ziekte doenca choroba",
    "crime": "criminal_record vorstrafen casier_judiciaire antecedentes_penales precedenti_penali strafblad registo_criminal karalnosc",
    "zip": "zip_code postleitzahl code_postal codigo_postal codice_postale postcode codigo_postal kod_pocztowy",
    "nation": "nationality staatsangehoerigkeit nationalite nacionalidad cittadinanza nationaliteit nacionalidade obywatelstwo",
    "birthplace": "birth_place geburtsort lieu_naissance lugar_nacimiento luogo_nascita geboorteplaats naturalidade miejsce_urodzenia",
}
"""What stands for a word after a dollar sign: in English, German, French, Spanish, Italian, Dutch, Portuguese and Polish."""

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")


class Sample(NamedTuple):
    """A snippet of ``rule``: ``lines`` (from 1) of which at least one must be reported, none for one that must stay silent.

    ``missed``: it ought to be reported, and is known not to be.
    """

    rule: str
    number: int
    language: str
    path: str
    code: str
    lines: frozenset[int]
    missed: bool = False


def samples() -> Iterator[Sample]:
    """Yield each snippet, once for each language where it holds a word that has translations."""
    for section in (Path(__file__).parent / "people_samples.txt").read_text(encoding="utf-8").split("\n== ")[0:]:
        head, *rest = section.removeprefix("== ").split("\n-- ")
        rule, _, path = head.partition("\npath ")
        for part in rest:
            kind, _, body = part.partition("\n")
            for number, code in enumerate(re.split(r"^--\n", body, flags=re.MULTILINE)):
                lines = frozenset(at for at, line in enumerate(code.splitlines(), 1) if line.endswith(("#!", "#?")))
                plain = re.sub(r" #[!?]$", "", code, flags=re.MULTILINE)
                assert bool(lines) == (kind != "good"), (rule, code)
                for at, language in enumerate(LANGUAGES):
                    text = plain
                    for word, names in WORDS.items():
                        text = re.sub(rf"\${word}\b", names.split()[at], text)
                    if language == "en" or text != plain:
                        yield Sample(
                            rule.strip(), number, language, path.strip() or "app/job.py", text, lines, kind == "miss"
                        )
