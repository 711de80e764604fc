"""Checks on libraries and services for faces, voices and emotions, and on the collection of people's profiles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from mlguard import lazy
from mlguard.scanners.code.seeing import Call, Place, Sight, leading_text, on_call, on_node
from mlguard.scanners.code.source import Source

BIOMETRIC = "code/undeclared-biometric-use"
COLLECTION = "code/undeclared-data-collection"

_BIOMETRIC = frozenset(
    "deepface face_recognition insightface facenet_pytorch retinaface mtcnn fer hsemotion emopy EmoPy feat openface emotiefflib py_feat "  # noqa: SIM905
    "resemblyzer keras_vggface deepspeaker arcface adaface face_alignment facexlib gfpgan_face keras_facenet opensmile_emotion dlib_face "
    "hsemotion_onnx fer_pytorch facetorch uniface compreface deepface_cv face_recognition_models rekognition_face ferplus residual_masking_network "
    "lightface mediapipe_face fairface age_gender_estimator wespeaker speaker_verification voxcelebrity iris_recognition pyfingerprint py_fingerprint "
    "SourceAFIS gaitset opengait palm_recognition liveface kairos_face facepp faceplusplus libfaceid facer sface elliot_face hume "
    "morphcast affectiva noldus_facereader exadel azure_face deepgaze rmn emonet frontalization vggface2 face_sdk luxand".split()
)
_BIOMETRIC_PARTS = ("azure.cognitiveservices.vision.face", "azure.ai.vision.face", "speechbrain.inference.speaker", "speechbrain.pretrained.SpeakerRecognition",
                    "speechbrain.inference.SpeakerRecognition", "speechbrain.inference.interfaces.foreign_class", "pyannote.audio", "mediapipe.python.solutions.face_detection",
                    "mediapipe.solutions.face_mesh", "mediapipe.tasks.python.vision.FaceLandmarker", "cv2.face", "nemo.collections.asr.models.EncDecSpeakerLabelModel",
                    "dlib.face_recognition_model_v1", "google.cloud.vision_v1.FaceAnnotation", "speechbrain.pretrained.EncoderClassifier", "clearbit", "torchvision.datasets.CelebA",
                    "sklearn.datasets.fetch_lfw_people", "sklearn.datasets.fetch_lfw_pairs", "azure.cognitiveservices.speech.SpeakerRecognizer", "hume.HumeClient")  # fmt: skip
_DATASETS = frozenset(
    {"torchvision.datasets.CelebA", "sklearn.datasets.fetch_lfw_people", "sklearn.datasets.fetch_lfw_pairs", "clearbit"}
)

_SCRAPERS = {
    "instaloader": "Instagram", "instagrapi": "Instagram", "instagram_private_api": "Instagram", "instagram_scraper": "Instagram", "instascrape": "Instagram", "igramscraper": "Instagram",
    "facebook_scraper": "Facebook", "facebook": "Facebook", "pyfacebook": "Facebook", "twint": "Twitter", "snscrape": "social networks", "tweepy": "Twitter", "TwitterAPI": "Twitter", "twikit": "Twitter",
    "twscrape": "Twitter", "ntscraper": "Twitter", "tweety": "Twitter", "searchtweets": "Twitter", "linkedin_api": "LinkedIn", "linkedin_scraper": "LinkedIn", "staffspy": "LinkedIn", "linkedin": "LinkedIn",
    "TikTokApi": "TikTok", "pyktok": "TikTok", "tikapi": "TikTok", "praw": "Reddit", "asyncpraw": "Reddit", "psaw": "Reddit", "pmaw": "Reddit", "vk_api": "VK", "maigret": "profiles by name",
    "sherlock_project": "profiles by name", "social_analyzer": "profiles by name", "holehe": "accounts by e-mail address", "socid_extractor": "profiles", "theHarvester": "e-mail addresses",
    "bing_image_downloader": "", "google_images_download": "", "icrawler": "", "simple_image_download": "", "duckduckgo_images_api": "", "hunter": "e-mail addresses", "pyhunter": "e-mail addresses",
    "xing_api": "Xing", "mastodon": "Mastodon", "atproto": "Bluesky", "pinterest_dl": "Pinterest", "ghunt": "Google accounts", "phoneinfoga": "phone numbers", "clearview": "faces", "pimeyes": "faces", "toutatis": "Instagram",
}  # fmt: skip
"""Packages that collect people's profiles or posts, with where from; "" for downloaders of pictures, which count when they look for people."""


def libraries(source: Source) -> Iterator[Sight]:
    """Libraries for faces, voices and emotions, and collectors of profiles, each once."""
    told: set[str] = set()
    within = source.path.split("/")[:-1]
    for module, node in source.tree.imported.items():
        root = module.split(".", 1)[0]
        if root in within:
            continue  # the library itself
        if root in _BIOMETRIC:
            name = root
        else:
            name = (
                next((part for part in _BIOMETRIC_PARTS if module == part or module.startswith(f"{part}.")), "")
                if root in _PART_ROOTS
                else ""
            )
        if name and name not in told and name not in _DATASETS:
            told.add(name)
            yield Sight(BIOMETRIC, "biometric-library", node, {"call": name})
        if (root in _SCRAPERS or name in _DATASETS) and root not in told:
            where = _SCRAPERS.get(root, "faces")
            if (
                where
                and not (root == "facebook" and module.startswith("facebook.") and "Graph" not in module)
                and not (
                    root in ("hunter", "linkedin", "mastodon", "facebook")
                    and isinstance(node, ast.ImportFrom)
                    and node.level
                )
            ):
                told.add(root)
                if name in _DATASETS:
                    continue
                yield Sight(COLLECTION, "profile-scraping", node, {"call": root, "where": where})


_PART_ROOTS = frozenset(part.split(".")[0] for part in _BIOMETRIC_PARTS)


@on_call("client", "resource", imports=["boto3"])
def services(call: Call) -> Iterator[Sight]:
    """Cloud services for faces."""
    if call.path.rsplit(".", 1)[0] in ("boto3", "boto3.Session()", "boto3.session.Session()") and call.constant(
        call.argument(0, "service_name")
    ) in ("rekognition", "voice-id", "rekognitionvideo"):
        yield call.sees(BIOMETRIC, "biometric-library")


_FACES = frozenset({"detect_faces", "compare_faces", "index_faces", "search_faces_by_image", "search_faces", "face_detection", "recognize_celebrities", "detect_with_url",
                    "detect_with_stream", "identify", "verify_face_to_face", "find_similar", "create_collection"})  # fmt: skip


@on_call("face_detection", "FaceAnnotation", "LBPHFaceRecognizer_create", "EigenFaceRecognizer_create", "FisherFaceRecognizer_create", "FaceRecognizerSF_create", "create",
         "face_recognition_model_v1", "FaceMesh", "FaceLandmarker", "pipeline", "from_hparams", "FaceRecognizerSF",
         imports=["cv2", "dlib", "mediapipe", "google", "transformers", "speechbrain"])  # fmt: skip
def recognisers(call: Call) -> Iterator[Sight]:
    """Recognisers of faces, voices and emotions inside of general libraries."""
    path = call.path
    if (
        path.startswith(("cv2.face.", "cv2.FaceRecognizerSF"))
        or path
        in (
            "cv2.face_LBPHFaceRecognizer.create",
            "dlib.face_recognition_model_v1",
        )
        or path.startswith("mediapipe.")
        and call.last in ("FaceMesh", "FaceLandmarker")
        or path.startswith("google.cloud.vision")
        and call.last == "face_detection"
    ):
        yield call.sees(BIOMETRIC, "biometric-library")
    elif call.last in ("pipeline", "from_hparams") and path.startswith(("transformers.", "speechbrain.")):
        texts = [call.constant(value) for value in (*call.node.args, *call.keywords.values())]
        if any(isinstance(text, str) and _RECOGNISES.search(text) for text in texts):
            yield call.sees(BIOMETRIC, "biometric-library")


_RECOGNISES = lazy.pattern(
    r"(?i)(?:face|facial|speech|voice|audio|wav2vec2?|hubert)[-_/\w]*emotion|emotion[-_\w]*(?:face|facial|speech|voice|audio|image)|spkrec|speaker[-_]?(?:verif|recog|ident)|face[-_]?(?:recog|verif|ident|expression|age|gender)|facial[-_]?(?:expr|recog)|(?:fairface|vggface|arcface)|er_(?:ravdess|iemocap)"
)

_NETWORKS = lazy.pattern(
    r"^https?://(?:[\w-]+\.)*(?P<site>linkedin|facebook|instagram|twitter|x|tiktok|xing|vk|pinterest|threads|stackoverflow/users|tinder|okcupid|whitepages|spokeo|truepeoplesearch)\.(?:com|net|org|de)/(?P<path>[^?#]*)",
    re.I,
)


@on_call("get", "goto", "request", "urlopen", "navigate", "fetch", "Request", "start_urls", words={"requests", "httpx", "selenium", "playwright", "aiohttp", "scrapy", "urllib", "driver", "page", "bs4"})  # fmt: skip
def pages(call: Call) -> Iterator[Sight]:
    """Requests for pages of people in social networks."""
    node = call.node
    url = call.argument(1 if call.last == "request" else 0, "url")
    if url is None or not node.args and not node.keywords:
        return
    match = _NETWORKS.match(leading_text(url, call))
    if (
        match
        and not re.match(
            r"(?i)(?:oauth|login|developers?|docs|help|legal|static|v\d|graph|uas/oauth|robots)", match["path"]
        )
        and "api" not in (match.group(0).split("/")[2])
    ):
        yield call.sees(COLLECTION, "profile-scraping", where=match["site"].capitalize())


_PEOPLE = lazy.pattern(
    r"(?i)\b(?:faces?|selfies?|portraits?|people|persons?|wom[ae]n|m[ae]n|child(?:ren)?|celebrit\w+|headshots?|mugshots?|gesicht\w*|visage\w*|rostros?|volti)\b"
)


@on_call(
    "download",
    "crawl",
    "simple_image_download",
    "images",
    imports=(
        "bing_image_downloader",
        "icrawler",
        "google_images_download",
        "simple_image_download",
        "duckduckgo_search",
    ),
)
def pictures(call: Call) -> Iterator[Sight]:
    """Pictures of people that are collected by a search."""
    values = [call.constant(value) for value in (*call.node.args, *call.keywords.values())]
    if any(isinstance(value, str) and _PEOPLE.search(value) for value in values):
        yield call.sees(COLLECTION, "profile-scraping", where="pictures of people")


@on_node(ast.Assign, words={"start_urls"}, imports=("scrapy",), targets=("start_urls",))
def spiders(node: ast.Assign, place: Place) -> Iterator[Sight]:
    """Spiders that begin at people's pages."""
    if getattr(node.targets[0], "id", "") != "start_urls" or not isinstance(node.value, ast.List):
        return
    for item in node.value.elts:
        match = _NETWORKS.match(item.value) if isinstance(item, ast.Constant) and isinstance(item.value, str) else None
        if match:
            yield Sight(COLLECTION, "profile-scraping", node, {"call": "scrapy", "where": match["site"].capitalize()})
            return


_SETS = frozenset({"fetch_lfw_people", "fetch_lfw_pairs", "CelebA", "LFWPeople", "LFWPairs"})
_NAMED_SETS = lazy.pattern(
    r"(?i)(?:^|[/_-])(?:vggface2?|ms[-_]?celeb|ms1m|megaface|celeba|lfw|casia[-_]?webface|fairface|utkface|voxceleb2?|ffhq|imdb[-_]?wiki)(?:$|[/_-])"
)


@on_call(*_SETS, "load_dataset", imports=("sklearn", "torchvision", "datasets"))
def face_sets(call: Call) -> Iterator[Sight]:
    """Collections of faces and voices of people that were taken from the net."""
    name = call.constant(call.argument(0, "path")) if call.last == "load_dataset" else None
    if (call.last in _SETS and call.path.startswith(("sklearn.datasets.", "torchvision.datasets."))) or (
        isinstance(name, str) and call.path == "datasets.load_dataset" and _NAMED_SETS.search(name)
    ):
        yield call.sees(COLLECTION, "profile-scraping", where="collections of faces and voices")


CHECKS = (services, face_sets, recognisers, pages, pictures, spiders)
