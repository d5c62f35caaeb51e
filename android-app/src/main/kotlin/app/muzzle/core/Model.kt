package app.muzzle.core

import org.json.JSONArray
import org.json.JSONObject

// What docs/jni.md says, as Kotlin values. Facts that are not known are null.

enum class Reach(
    val code: String,
) {
    LIGHT("light"),
    DEEP("deep"),
}

/** What became of an event, as the screens count it. */
enum class Outcome(
    val code: String,
) {
    STOPPED("stopped"),
    ANSWERED("answered"),
    READABLE("readable"),
    ENCRYPTED("encrypted"),
    UNREAD("unread"),
    ;

    companion object {
        fun of(code: String) = entries.firstOrNull { it.code == code } ?: UNREAD
    }
}

/** What happens to a flow: the words of the policy. */
enum class Verdict(
    val code: String,
) {
    ALLOW("allow"),
    RECORD("record"),
    CAPTURE("capture"),
    BLOCK("block"),
    ;

    companion object {
        fun of(code: String) = entries.firstOrNull { it.code == code }
    }
}

data class OpenConfig(
    val db: String,
    val cache: String,
    /** The folder of the lists that the owner brought. */
    val lists: String,
    val api: Int,
    val retentionDays: Int,
    val maxBytes: Long,
    val debug: Boolean,
    /** A file of [ServerTable]. */
    val servers: String? = null,
) {
    fun json(): JSONObject =
        JSONObject()
            .putOpt("servers", servers?.let { JSONObject().put("path", it) })
            .put("db", db)
            .put("cache", cache)
            .put("lists", lists)
            .put("api", api)
            .put("retention_days", retentionDays)
            .put("max_bytes", maxBytes)
            .put("log", if (debug) "debug" else "info")
}

data class Filter(
    val packageName: String? = null,
    val kind: String? = null,
    val outcome: Outcome? = null,
    val host: String? = null,
    val since: Long? = null,
    val until: Long? = null,
    val text: String? = null,
) {
    val isEmpty get() = this == Filter()

    fun json(): JSONObject =
        JSONObject()
            .putOpt("package", packageName)
            .putOpt("kind", kind)
            .putOpt("outcome", outcome?.code)
            .putOpt("host", host)
            .putOpt("since", since)
            .putOpt("until", until)
            .putOpt("text", text)

    companion object {
        /** What [json] wrote. */
        fun of(json: JSONObject) =
            Filter(
                json.text("package"),
                json.text("kind"),
                json.text("outcome")?.let(Outcome::of),
                json.text("host"),
                json.long("since"),
                json.long("until"),
                json.text("text"),
            )
    }
}

data class Counts(
    val stopped: Long = 0,
    val answered: Long = 0,
    val readable: Long = 0,
    val encrypted: Long = 0,
    val unread: Long = 0,
) {
    val total get() = stopped + answered + readable + encrypted + unread

    operator fun plus(other: Counts) =
        Counts(
            stopped + other.stopped,
            answered + other.answered,
            readable + other.readable,
            encrypted + other.encrypted,
            unread + other.unread,
        )

    /** Nothing left the phone. */
    val held get() = stopped + answered

    /** Passed, and its content is not known. */
    val closed get() = encrypted + unread

    companion object {
        fun of(json: JSONObject) =
            Counts(
                json.optLong("stopped"),
                json.optLong("answered"),
                json.optLong("readable"),
                json.optLong("encrypted"),
                json.optLong("unread"),
            )
    }
}

data class Bar(
    val since: Long,
    val counts: Counts,
)

data class KindCount(
    val kind: String,
    val events: Long,
)

data class EventRow(
    val id: Long,
    val time: Long,
    val uid: Int?,
    val packageName: String?,
    val hint: String?,
    val host: String?,
    val transport: String?,
    val outcome: Outcome,
    val protocol: String?,
    val event: String?,
    val kinds: List<String>,
    val value: String?,
) {
    companion object {
        fun of(json: JSONObject) =
            EventRow(
                json.getLong("id"),
                json.getLong("time"),
                json.int("uid"),
                json.text("package"),
                json.text("hint"),
                json.text("host"),
                json.text("transport"),
                Outcome.of(json.optString("outcome")),
                json.text("protocol"),
                json.text("event"),
                json.texts("kinds"),
                json.text("value"),
            )
    }
}

data class Server(
    val addr: String?,
    val country: String?,
    val operator: String?,
) {
    companion object {
        fun of(json: JSONObject) = Server(json.text("addr"), json.text("country"), json.text("operator"))
    }
}

/** What a list says about a host. */
data class Rule(
    val rule: String,
    val list: String,
    val owner: String?,
    val category: String?,
    val default: String?,
    val sideEffect: String?,
    val source: String?,
) {
    companion object {
        fun of(json: JSONObject) =
            Rule(
                json.getString("rule"),
                json.optString("list"),
                json.text("owner"),
                json.text("category"),
                json.text("default"),
                json.text("side_effect"),
                json.text("source"),
            )
    }
}

data class Decision(
    val packageName: String?,
    val verdict: Verdict,
    val reason: String,
    val rule: String?,
    val list: String?,
) {
    companion object {
        fun of(json: JSONObject): Decision {
            val reason = json.optJSONObject("reason") ?: JSONObject()
            return Decision(
                json.text("package"),
                Verdict.of(json.optString("verdict")) ?: Verdict.ALLOW,
                reason.optString("code"),
                reason.text("rule"),
                reason.text("list"),
            )
        }
    }
}

data class AppCount(
    val uid: Int?,
    val packageName: String?,
    val last: Long,
    val counts: Counts,
) {
    companion object {
        fun of(json: JSONObject) =
            AppCount(json.int("uid"), json.text("package"), json.optLong("last"), Counts.of(json))
    }
}

data class HostCount(
    val host: String,
    val last: Long,
    val counts: Counts,
    val server: Server?,
    val rule: Rule?,
    val decision: Decision?,
) {
    companion object {
        fun of(json: JSONObject) =
            HostCount(
                json.getString("host"),
                json.optLong("last"),
                Counts.of(json),
                json.optJSONObject("server")?.let(Server::of),
                json.optJSONObject("rule")?.let(Rule::of),
                json.optJSONObject("decision")?.let(Decision::of),
            )
    }
}

data class Identifier(
    val kind: String,
    val value: String,
    val first: Long,
    val last: Long,
    val apps: List<String>,
    val hosts: List<String>,
) {
    companion object {
        fun of(json: JSONObject) =
            Identifier(
                json.getString("kind"),
                json.getString("value"),
                json.optLong("first"),
                json.optLong("last"),
                json.list("apps") { it.text("package") ?: it.int("uid")?.toString() ?: "" },
                json.texts("hosts"),
            )
    }
}

/** A host that was refused to an app. */
data class Stop(
    val host: String,
    val uid: Int?,
    val packageName: String?,
    val last: Long,
    val count: Long,
    val id: Long,
    /** A code of docs/events.md. */
    val reason: String?,
    val rule: Rule?,
) {
    companion object {
        fun of(json: JSONObject) =
            Stop(
                json.getString("host"),
                json.int("uid"),
                json.text("package"),
                json.optLong("last"),
                json.optLong("count"),
                json.optLong("id"),
                json.optJSONObject("reason")?.text("code"),
                json.optJSONObject("rule")?.let(Rule::of),
            )
    }
}

data class HostAnswer(
    val host: String,
    val rule: Rule?,
    val decision: Decision?,
    val decisions: List<Decision>,
) {
    companion object {
        fun of(json: JSONObject) =
            HostAnswer(
                json.optString("host"),
                json.optJSONObject("rule")?.let(Rule::of),
                json.optJSONObject("decision")?.let(Decision::of),
                json.list("decisions", Decision::of),
            )
    }
}

data class RulePage(
    val total: Int,
    val rules: List<Rule>,
) {
    companion object {
        fun of(json: JSONObject) = RulePage(json.optInt("total"), json.list("rules", Rule::of))
    }
}

data class HostList(
    val name: String,
    val version: String,
    val rules: Int,
    /** The owner took it in; the rest of the list is built in. */
    val imported: Boolean = false,
    /** As the owner's own file was called. */
    val source: String? = null,
    /** Not in force: to be taken in again, or removed. */
    val damaged: Boolean = false,
    /** Its plain names stand for all that is under them. */
    val below: Boolean = false,
) {
    companion object {
        fun of(json: JSONObject) =
            HostList(
                json.getString("name"),
                json.optString("version"),
                json.optInt("rules"),
                json.optBoolean("imported"),
                json.text("source"),
                json.optBoolean("damaged"),
                json.optBoolean("below"),
            )
    }
}

/** Lines of an imported list that have something in common. */
data class Seen(
    val count: Long,
    /** The first few: number of the line, from 1, and its text. */
    val samples: List<Pair<Int, String>>,
) {
    companion object {
        fun of(json: JSONObject?) =
            Seen(json?.optLong("count") ?: 0, json?.list("samples") { it.getInt("line") to it.getString("text") }.orEmpty())
    }
}

/** What was taken of a list that the owner brought, and what not. */
data class ImportReport(
    val names: Long,
    val exceptions: Long,
    val duplicates: Seen,
    /** Names that are never blocked, or that have such names under them. */
    val never: Seen,
    /** Rules that block other names, too. */
    val narrowed: Seen,
    /** Exceptions under conditions, taken for all. */
    val widened: Seen,
    /** What the list takes back itself. */
    val takenBack: Seen,
    /** What was not taken, with the code of the reason. */
    val refused: List<Pair<String, Seen>>,
    /** Code of what the file is, where that is no list of names. */
    val kind: String?,
    /** The list seems to mean all that is under its names. */
    val meansBelow: Boolean,
) {
    /** Without any, nothing was taken in and the list of before is in force. */
    val taken get() = names > 0

    companion object {
        fun of(json: JSONObject) =
            ImportReport(
                json.optLong("names"),
                json.optLong("exceptions"),
                Seen.of(json.optJSONObject("duplicates")),
                Seen.of(json.optJSONObject("never")),
                Seen.of(json.optJSONObject("narrowed")),
                Seen.of(json.optJSONObject("widened")),
                Seen.of(json.optJSONObject("taken_back")),
                json.list("refused") { it.getString("reason") to Seen.of(it) },
                json.text("kind"),
                json.optBoolean("means_below"),
            )
    }
}

data class Category(
    val category: String,
    val rules: Int,
    val block: Int,
    val record: Int,
    val allow: Int,
    val never: Int,
    val setting: Verdict?,
) {
    companion object {
        fun of(json: JSONObject) =
            Category(
                json.getString("category"),
                json.optInt("rules"),
                json.optInt("block"),
                json.optInt("record"),
                json.optInt("allow"),
                json.optInt("never"),
                Verdict.of(json.optString("setting")),
            )
    }
}

data class ListsAnswer(
    val lists: List<HostList>,
    val categories: List<Category>,
) {
    companion object {
        fun of(json: JSONObject) =
            ListsAnswer(json.list("lists", HostList::of), json.list("categories", Category::of))
    }
}

data class Gap(
    val start: Long,
    val end: Long?,
    val reason: String,
) {
    companion object {
        fun of(json: JSONObject) = Gap(json.getLong("start"), json.long("end"), json.optString("reason"))
    }
}

data class StoreFacts(
    val bytes: Long,
    val events: Long,
    val first: Long?,
    val last: Long?,
    val dropped: Long,
) {
    companion object {
        fun of(json: JSONObject) =
            StoreFacts(
                json.optLong("bytes"),
                json.optLong("events"),
                json.long("first"),
                json.long("last"),
                json.optLong("dropped"),
            )
    }
}

/** How the data plane is; counters start anew with each TUN and are missing without one. */
data class Plane(
    val state: String,
    val error: String?,
    /** In the core's own words, in its order. */
    val counters: Map<String, Long>,
    val drops: Map<String, Long>,
) {
    companion object {
        private val COUNTERS = listOf("flows", "packets_in", "questions", "answered", "blocked")

        fun of(json: JSONObject): Plane {
            val drops = json.optJSONObject("drops") ?: JSONObject()
            return Plane(
                json.optString("state"),
                json.text("error"),
                COUNTERS.filter(json::has).associateWith(json::getLong),
                drops.keys().asSequence().associateWith(drops::getLong),
            )
        }
    }
}

/** What the core said about a policy that it took. */
data class Warning(
    val code: String,
    val host: String?,
    val packageName: String?,
    val list: String?,
    val sideEffect: String?,
) {
    companion object {
        fun of(json: JSONObject) =
            Warning(
                json.getString("code"),
                json.text("host"),
                json.text("package"),
                json.text("list"),
                json.text("side_effect"),
            )
    }
}

data class ExportRequest(
    val format: String,
    val redact: Boolean,
    val filter: Filter = Filter(),
) {
    fun into(json: JSONObject) {
        json.put("format", format).put("redact", redact).put("filter", filter.json())
    }
}

data class ExportSize(
    val events: Long,
    val bytes: Long,
) {
    companion object {
        fun of(json: JSONObject) = ExportSize(json.optLong("events"), json.optLong("bytes"))
    }
}

internal fun JSONObject.text(key: String): String? = if (has(key)) getString(key) else null

internal fun JSONObject.int(key: String): Int? = if (has(key)) getInt(key) else null

internal fun JSONObject.long(key: String): Long? = if (has(key)) getLong(key) else null

internal fun JSONObject.texts(key: String): List<String> =
    optJSONArray(key)?.let { a -> List(a.length()) { a.getString(it) } } ?: emptyList()

internal fun <T> JSONObject.list(
    key: String,
    make: (JSONObject) -> T,
): List<T> = (optJSONArray(key) ?: JSONArray()).let { a -> List(a.length()) { make(a.getJSONObject(it)) } }
