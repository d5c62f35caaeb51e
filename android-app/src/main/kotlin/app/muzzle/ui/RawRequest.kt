package app.muzzle.ui

import android.util.Base64
import org.json.JSONArray
import org.json.JSONObject
import java.net.URLDecoder

/** A request as it was sent, for reading. Not more of the body than a screen can show. */
class RawRequest private constructor(
    private val head: String,
    private val body: ByteArray,
    private val size: Long,
    private val form: Boolean,
) {
    private val more get() = if (size > body.size || body.size > MOST) "\n… $size B" else ""

    /** Method, target, headers and body as text; a form with a field a line, its escapes undone. */
    fun asText(): String {
        val text = body.decodeToString(0, minOf(body.size, MOST))
        return head + "\n" + (if (form) fields(text) else text) + more
    }

    /** Eight bytes a line. */
    fun asHex(): String =
        body.take(MOST / HEX_SHARE).chunked(HEX_LINE).withIndex().joinToString("\n") { (line, bytes) ->
            val hex = bytes.joinToString(" ") { "%02x".format(it) }
            "%04x  %s".format(line * HEX_LINE, hex)
        } + if (body.size > MOST / HEX_SHARE) "\n… $size B" else ""

    private fun fields(text: String) =
        text.split('&').joinToString("\n") { field ->
            try {
                URLDecoder.decode(field, "UTF-8")
            } catch (_: IllegalArgumentException) {
                field
            }
        }

    companion object {
        private const val MOST = 16 * 1024
        private const val HEX_SHARE = 4
        private const val HEX_LINE = 8

        fun of(json: JSONObject): RawRequest {
            val headers = json.optJSONArray("headers") ?: JSONArray()
            val lines = List(headers.length()) { headers.getJSONArray(it).let { h -> h.getString(0) + ": " + h.getString(1) } }
            val body = Base64.decode(json.optString("body"), Base64.DEFAULT)
            val first = json.optString("method") + " " + json.optString("target")
            val form = lines.any { "x-www-form-urlencoded" in it }
            return RawRequest((listOf(first) + lines).joinToString("\n", postfix = "\n"), body, json.optLong("body_size"), form)
        }
    }
}
