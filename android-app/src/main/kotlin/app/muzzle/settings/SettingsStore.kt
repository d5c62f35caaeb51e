package app.muzzle.settings

import android.os.StrictMode
import android.util.AtomicFile
import org.json.JSONException
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.util.concurrent.CopyOnWriteArrayList

/**
 * Keeps the owner's settings in one file, written whole or not at all. A file that cannot be read is
 * put aside and never overwritten. It is read once, by whoever is first: the main thread may, as the first
 * frame is light or dark by it.
 */
class SettingsStore(
    private val file: File,
) {
    private val atomic = AtomicFile(file)
    private val listeners = CopyOnWriteArrayList<(OwnerSettings) -> Unit>()

    /** Where an unreadable file was put; null in the normal case. */
    var putAside: File? = null
        private set

    @Volatile
    var now: OwnerSettings = read()
        private set

    /** Changes the settings, keeps them, and tells the listeners on the calling thread. */
    @Synchronized
    @Throws(IOException::class)
    fun update(change: (OwnerSettings) -> OwnerSettings): OwnerSettings {
        val changed = change(now)
        if (changed == now) return now
        write(changed)
        now = changed
        listeners.forEach { it(changed) }
        return changed
    }

    fun listen(listener: (OwnerSettings) -> Unit) {
        listeners += listener
    }

    fun forget(listener: (OwnerSettings) -> Unit) {
        listeners -= listener
    }

    private fun read(): OwnerSettings =
        try {
            readSettings(atomic.readFully())
        } catch (_: FileNotFoundException) {
            OwnerSettings()
        } catch (_: JSONException) {
            val aside = File(file.path + ".unreadable")
            if (file.renameTo(aside)) putAside = aside
            OwnerSettings()
        }

    private fun write(settings: OwnerSettings) {
        StrictMode.noteSlowCall("settings")
        val out = atomic.startWrite()
        try {
            out.write(settings.json().toString(2).encodeToByteArray())
            atomic.finishWrite(out)
        } catch (e: IOException) {
            atomic.failWrite(out)
            throw e
        }
    }
}
