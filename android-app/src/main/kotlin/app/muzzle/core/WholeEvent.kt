package app.muzzle.core

import org.json.JSONArray
import org.json.JSONObject
import java.time.Instant

/** A field of an event; [identifier] is the kind of identifier that it is, where it is one. */
data class Field(
    val path: String,
    val value: String,
    val kind: String,
    val identifier: String?,
)

/** An event in the form of docs/events.md, for reading. */
class WholeEvent private constructor(
    val json: JSONObject,
) {
    private val app = json.optJSONObject("app") ?: JSONObject()
    private val server = json.optJSONObject("server") ?: JSONObject()
    private val why = json.optJSONObject("reason") ?: JSONObject()
    private val ids = json.list("ids") { it.optString("path") to it.optString("kind") }.toMap()

    val fields = json.list("fields") { field(it) }
    val address = server.text("addr")?.let { addr -> server.int("port")?.let { "$addr, $it" } ?: addr }
    val country = server.text("country")
    val operator = server.text("operator")
    val network = server.int("asn")?.let { "AS$it" }
    val reason: String = why.optString("code")
    val rule = why.text("rule")
    val list = why.text("list")
    val state = json.text("state")
    val decoder = json.text("decoder")
    val checks =
        (json.optJSONObject("checks") ?: JSONObject()).let { all ->
            all.keys().asSequence().map { "$it: ${all.getString(it)}" }.toList()
        }
    val problems = json.list("problems") { listOfNotNull(it.text("code"), it.text("path")).joinToString(" ") }

    /** Up and down. */
    val bytes = json.optJSONObject("bytes")?.let { it.optLong("up") to it.optLong("down") }

    val row =
        EventRow(
            json.optLong("id"),
            Instant.parse(json.getString("time")).toEpochMilli(),
            app.int("uid"),
            app.text("package"),
            app.text("hint"),
            json.text("host"),
            json.text("transport"),
            outcome(json.optString("verdict"), json.optString("state")),
            json.text("protocol"),
            json.text("event"),
            json.texts("kinds").sortedBy { kind -> TELLING.indexOf(kind).let { if (it < 0) TELLING.size else it } },
            null,
        )

    private fun field(json: JSONObject): Field {
        val path = json.getString("path")
        return Field(path, json.optString("value"), json.optString("kind"), ids[path])
    }

    /** The same without what was said: each value gives way to [cover]. */
    fun covered(cover: String): WholeEvent {
        val copy = JSONObject(json.toString())
        for (key in listOf("fields", "ids")) {
            val all = copy.optJSONArray(key) ?: JSONArray()
            for (n in 0 until all.length()) all.getJSONObject(n).put("value", cover)
        }
        copy.remove("payload")
        return WholeEvent(copy)
    }

    companion object {
        fun of(json: JSONObject) = WholeEvent(json)

        /** The most telling kind first: the order of rows in docs/jni.md. */
        private val TELLING =
            listOf("visited-page", "search", "content-viewed", "media-played", "feature-used", "download", "location") +
                listOf("installed-apps", "account", "crash", "advertising", "network-fact", "device-fact", "identifier")

        private fun outcome(
            verdict: String,
            state: String,
        ) = when {
            verdict == "block" -> Outcome.STOPPED
            verdict == "capture" -> Outcome.ANSWERED
            state == "decoded" -> Outcome.READABLE
            state == "encrypted" -> Outcome.ENCRYPTED
            else -> Outcome.UNREAD
        }
    }
}
