package app.muzzle

import android.Manifest
import android.app.Application
import android.content.pm.ApplicationInfo
import android.content.pm.PackageInfo
import app.muzzle.core.Core
import app.muzzle.core.NativeCore
import app.muzzle.core.OpenConfig
import app.muzzle.core.Work
import app.muzzle.service.Protection
import app.muzzle.service.ProtectionState
import app.muzzle.service.Trouble
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.ShadowVpnService
import java.io.File
import java.io.IOException
import java.net.URL
import java.net.URLConnection
import java.time.Clock
import java.time.Instant
import java.time.ZoneOffset
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger

/**
 * The app's parts for a test: the real core over a copy of the synthetic week, a clock that stands on
 * its last evening, work done at once, and a protection that only remembers what it was told.
 */
class TestGraph(
    private val app: Application,
    seeded: Boolean = true,
    work: Work? = null,
    /** Screens that show events watch for new ones, as on a phone. */
    live: Boolean = false,
    /** Work is done on threads of its own, as on a phone. */
    threads: Boolean = false,
    /** Changes the copy of the synthetic week before the core opens it. */
    private val prepare: (File) -> Unit = {},
) : Graph(app),
    AutoCloseable {
    override val clock: Clock = Clock.fixed(NOW, ZoneOffset.UTC)
    private val pending = AtomicInteger()
    private val pool = Executors.newFixedThreadPool(2) { Thread(it, "work").apply { isDaemon = true } }
    override val work: Work =
        work ?: if (threads) Work(background = ::inBackground) else Work(background = { it.run() }, main = { it.run() })

    override val apart = if (threads || work != null) Work.apart() else this.work

    /** Work is under way. */
    val busy get() = pending.get() > 0

    /** Those that watch or have watched for events. */
    val watches = CopyOnWriteArrayList<Thread>()
    override val watching = Executor { job -> if (live) watches += Thread(job, "watch").apply { isDaemon = true }.also { it.start() } }
    override val upcalls =
        object : NativeCore.Upcalls {
            override fun connectionOwner(
                protocol: Int,
                source: ByteArray,
                sourcePort: Int,
                destination: ByteArray,
                destinationPort: Int,
            ) = -1

            override fun protect(fd: Int) = true

            override fun ended(code: String) = Unit
        }
    override val protection = RememberedProtection()

    /** Who answers in place of the net: nobody, unless a test says so. */
    var net: (URL) -> URLConnection = { throw IOException("no network") }
    override val connect get() = net
    val db = File(app.filesDir, "muzzle.db")
    override val core: Core by lazy {
        if (seeded) File(System.getProperty("muzzle.seed")!!).copyTo(db, overwrite = true).also(prepare)
        Core.open(
            OpenConfig(db.path, app.cacheDir.path, File(app.filesDir, "lists").path, 35, retentionDays = 0, maxBytes = 0, debug = false),
            upcalls,
        )
    }

    init {
        ShadowVpnService.setPrepareResult(null)
        shadowOf(app).grantPermissions(Manifest.permission.POST_NOTIFICATIONS)
        APPS.forEach { (name, uid, label) -> install(app, name, uid, label, system = !name.startsWith("com.example")) }
    }

    private fun inBackground(job: Runnable) {
        pending.incrementAndGet()
        pool.execute {
            try {
                job.run()
            } finally {
                pending.decrementAndGet()
            }
        }
    }

    override fun close() = core.close()

    companion object {
        /** The evening of the synthetic week's last day. */
        val NOW: Instant = Instant.parse("2026-11-21T21:30:00Z")

        val APPS =
            listOf(
                Triple("com.mi.globalbrowser", 10_123, "Mi Browser"),
                Triple("com.miui.home", 10_061, "System launcher"),
                Triple("com.miui.player", 10_140, "Music"),
                Triple("com.miui.analytics", 10_070, "Analytics"),
                Triple("com.example.news", 10_177, "News"),
            )
    }
}

fun install(
    app: Application,
    name: String,
    uid: Int,
    label: String,
    system: Boolean = true,
) {
    val info = ApplicationInfo()
    info.packageName = name
    info.name = label
    info.nonLocalizedLabel = label
    info.uid = uid
    info.flags = if (system) ApplicationInfo.FLAG_SYSTEM else 0
    val packageInfo = PackageInfo()
    packageInfo.packageName = name
    packageInfo.applicationInfo = info
    shadowOf(app.packageManager).installPackage(packageInfo)
}

class RememberedProtection : Protection {
    private val listeners = mutableListOf<(ProtectionState) -> Unit>()
    override var state: ProtectionState = ProtectionState.Off
        set(value) {
            field = value
            listeners.toList().forEach { it(value) }
        }

    override fun start() {
        state = ProtectionState.On(TestGraph.NOW.toEpochMilli())
    }

    override fun refused(why: Trouble) {
        state = ProtectionState.Failed(why)
    }

    override fun stop() {
        state = ProtectionState.Off
    }

    override fun pause(minutes: Int) {
        state = ProtectionState.Paused(TestGraph.NOW.plusSeconds(minutes * 60L).toEpochMilli())
    }

    override fun resume() = start()

    override fun listen(listener: (ProtectionState) -> Unit) {
        listeners += listener
    }

    override fun forget(listener: (ProtectionState) -> Unit) {
        listeners -= listener
    }
}
