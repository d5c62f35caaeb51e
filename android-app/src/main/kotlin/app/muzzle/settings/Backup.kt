package app.muzzle.settings

import android.content.ContentResolver
import android.net.Uri
import app.muzzle.export.whole
import org.json.JSONException
import org.json.JSONObject
import java.io.FileNotFoundException
import java.io.InputStream

/** Settings as a file of the owner's; one that is not complete is deleted. */
fun ContentResolver.saveBackup(
    document: Uri,
    settings: OwnerSettings,
) = whole(document) {
    val out = openOutputStream(document, "wt") ?: throw FileNotFoundException("the document is gone")
    out.use { it.write(settings.json().toString(2).encodeToByteArray()) }
}

/** Throws [JSONException] for a file that is no backup. */
fun ContentResolver.readBackup(document: Uri): OwnerSettings {
    val from = openInputStream(document) ?: throw FileNotFoundException("the document is gone")
    return readSettings(from.use(::atMost))
}

/** Throws [JSONException] for what no version of the app has written. */
fun readSettings(bytes: ByteArray): OwnerSettings {
    val settings =
        try {
            OwnerSettings.of(JSONObject(bytes.decodeToString()))
        } catch (_: StackOverflowError) {
            throw JSONException("nested too deep")
        }
    val sound = settings.retentionDays >= 0 && settings.maxBytes >= 0 && badAddress(settings.resolvers) == null
    return if (sound) settings else throw JSONException("a value outside its range")
}

/** What a backup brings: everything but whether protection runs here, and what was shown here. */
fun OwnerSettings.restored(backup: OwnerSettings): OwnerSettings =
    backup.copy(wanted = wanted, pausedUntil = pausedUntil, firstRunDone = firstRunDone, dismissed = dismissed)

private fun atMost(from: InputStream): ByteArray {
    val bytes = ByteArray(MAX_BACKUP + 1)
    var count = 0
    while (count < bytes.size) {
        val more = from.read(bytes, count, bytes.size - count)
        if (more < 0) return bytes.copyOf(count)
        count += more
    }
    throw JSONException("longer than any backup")
}

/** Bytes; thousands of hosts take a tenth of it. */
private const val MAX_BACKUP = 1 shl 20

/** The first word that is no numeric address; null where all are. Up to eight count. */
fun badAddress(words: List<String>): String? = words.drop(MAX_RESOLVERS).firstOrNull() ?: words.firstOrNull { !isAddress(it) }

private const val MAX_RESOLVERS = 8
private val V4 = Regex("""(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})""")
private val V6 = Regex("[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")

private fun isAddress(word: String): Boolean {
    V4.matchEntire(word)?.let { found -> return found.groupValues.drop(1).all { it.toInt() <= UByte.MAX_VALUE.toInt() } }
    // With a colon there is no look-up of a name: it is an address or an error.
    return V6.matches(word) && runCatching { java.net.InetAddress.getByName(word) }.isSuccess
}
