package app.muzzle.service

import android.util.AtomicFile
import java.io.File
import java.io.FileNotFoundException

/**
 * When protection last ran: written each minute, so that a process that was killed knows at its next
 * start since when it was missed. The time is exact to a minute, and never too late.
 */
class AliveMark(
    file: File,
) {
    private val atomic = AtomicFile(file)

    data class Mark(
        val at: Long,
        /** The phone was switched off in order. */
        val shutdown: Boolean = false,
    )

    /** Null where protection was not wanted, or the file is damaged. */
    fun read(): Mark? =
        try {
            val words = atomic.readFully().decodeToString().split(' ')
            words[0].toLongOrNull()?.let { Mark(it, words.getOrNull(1) == SHUTDOWN) }
        } catch (_: FileNotFoundException) {
            null
        }

    fun write(mark: Mark) {
        val out = atomic.startWrite()
        out.write((if (mark.shutdown) "${mark.at} $SHUTDOWN" else "${mark.at}").encodeToByteArray())
        atomic.finishWrite(out)
    }

    fun clear() = atomic.delete()

    private companion object {
        const val SHUTDOWN = "shutdown"
    }
}

/** Since when protection is missed, and why. Times are milliseconds. */
fun lostSince(
    mark: AliveMark.Mark,
    boot: Long,
    updated: Long,
    now: Long,
): OpenGap {
    val (start, reason) =
        when {
            mark.shutdown && mark.at < boot -> boot to "boot"
            mark.at < boot -> mark.at to "boot"
            mark.at < updated -> mark.at to "updated"
            else -> mark.at to "killed"
        }
    return OpenGap(minOf(start, now), reason)
}
