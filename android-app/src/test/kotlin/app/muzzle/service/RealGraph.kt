package app.muzzle.service

import android.app.Application
import android.os.ParcelFileDescriptor
import app.muzzle.Graph
import app.muzzle.TestGraph
import app.muzzle.core.Core
import app.muzzle.core.NativeCore
import app.muzzle.core.Work
import org.json.JSONObject
import org.robolectric.util.ReflectionHelpers
import java.io.File
import java.nio.file.Files
import java.time.Clock
import java.time.Instant
import java.time.ZoneId
import java.time.ZoneOffset

/** The app's own parts over the real core, each job done at once, and a clock that a test sets. */
class RealGraph(
    app: Application,
    /** Work is done on threads of its own, as on a phone. */
    threads: Boolean = false,
) : Graph(app) {
    override val clock = SetClock()
    override val work = if (threads) Work() else Work({ it.run() }, { it.run() })
    override val apart = if (threads) Work.apart() else work
    override val guard by lazy { if (threads) ServiceProtection(app, this) else ServiceProtection(app, this, work) }

    val now get() = clock.millis()

    class SetClock : Clock() {
        var now: Instant = TestGraph.NOW

        override fun getZone(): ZoneId = ZoneOffset.UTC

        override fun withZone(zone: ZoneId): Clock = this

        override fun instant() = now
    }
}

/** What the core says of its data plane: detached, running or ended. */
fun Core.plane(): String = snapshot().getJSONObject("plane").getString("state")

fun Core.snapshot() = JSONObject(NativeCore.snapshot(ReflectionHelpers.getField(this, "handle")))

/** One to the core that it can wait at, as at a TUN; nothing ever comes out of it. */
fun pipe(): ParcelFileDescriptor {
    val path = Files.createTempDirectory("muzzle").resolve("tun").toFile()
    check(ProcessBuilder("mkfifo", path.path).start().waitFor() == 0)
    return ParcelFileDescriptor.open(path, ParcelFileDescriptor.MODE_READ_WRITE)
}

/** No TUN: the core cannot wait at a plain file, and refuses it. */
fun plainFile(): ParcelFileDescriptor =
    ParcelFileDescriptor.open(File.createTempFile("plain", null), ParcelFileDescriptor.MODE_READ_WRITE)
