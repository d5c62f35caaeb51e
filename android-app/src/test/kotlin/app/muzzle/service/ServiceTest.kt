package app.muzzle.service

import android.Manifest
import android.app.Application
import android.app.Notification
import android.app.NotificationManager
import android.content.Intent
import android.content.pm.PackageInfo
import android.database.sqlite.SQLiteDatabase
import android.net.Uri
import android.net.VpnService
import android.os.Build
import android.os.Looper
import app.muzzle.MuzzleApp
import app.muzzle.core.Reach
import app.muzzle.settings.AppSetting
import app.muzzle.system.SystemTun
import app.muzzle.ui.MainActivity
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ServiceController
import org.robolectric.shadows.ShadowSystemClock
import org.robolectric.shadows.ShadowVpnService
import org.robolectric.util.ReflectionHelpers
import java.io.File
import java.time.Duration

/** The service over the real core, by way of what the system calls. Its TUN is a pipe; WholeWay has a real one. */
@RunWith(RobolectricTestRunner::class)
class ServiceTest {
    private val app: Application = RuntimeEnvironment.getApplication()
    private val graph = RealGraph(app)
    private val db = File(app.filesDir, "muzzle.db")
    private val mark = AliveMark(File(app.filesDir, "alive"))
    private val sdk = Build.VERSION.SDK_INT
    private var opens = true

    private val now get() = graph.now

    @Before
    fun putInPlace() {
        ShadowVpnService.setPrepareResult(null)
        shadowOf(app).grantPermissions(Manifest.permission.POST_NOTIFICATIONS)
        install(BANK)
        SystemTun.asked.clear()
        SystemTun.next = { pipe() }
        MuzzleApp.makeGraph = { graph }
    }

    @After
    fun close() {
        ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", sdk)
        if (opens) graph.core.close()
    }

    private fun install(name: String) = shadowOf(app.packageManager).installPackage(PackageInfo().apply { packageName = name })

    private fun settle() = shadowOf(Looper.getMainLooper()).idle()

    private fun startedService(): Intent? = shadowOf(app).nextStartedService

    private fun service(intent: Intent): ServiceController<MuzzleService> =
        Robolectric
            .buildService(MuzzleService::class.java, intent)
            .create()
            .startCommand(0, 1)
            .also { settle() }

    /** Turned on by the owner, as far as it goes. */
    private fun turnedOn(): ServiceController<MuzzleService> {
        graph.protection.start()
        val intent = checkNotNull(startedService())
        assertEquals(MuzzleService::class.java.name, intent.component?.className)
        return service(intent)
    }

    private fun notification(id: Int): Notification? =
        shadowOf(app.getSystemService(NotificationManager::class.java)).getNotification(id)

    private fun title(notification: Notification?) = notification?.extras?.getCharSequence(Notification.EXTRA_TITLE)?.toString()

    private fun actions(notification: Notification?) = notification?.actions?.map { it.title.toString() }

    private fun gaps() = graph.core.gaps().map { Triple(it.start, it.end, it.reason) }

    private fun later(seconds: Long) {
        graph.clock.now = graph.clock.now.plusSeconds(seconds)
        ShadowSystemClock.advanceBy(Duration.ofSeconds(seconds))
    }

    @Test
    fun aTunIsAskedForAndTheCoreWatchesIt() {
        graph.settings.update { it.copy(apps = mapOf(BANK to AppSetting.OFF, "com.example.gone" to AppSetting.OFF)) }
        turnedOn()
        assertEquals(ProtectionState.On(now), graph.protection.state)
        assertEquals("running", graph.core.plane())
        val asked = SystemTun.asked.single()
        assertEquals(9000, asked.mtu)
        assertEquals(listOf("198.18.0.1/15", "fd6d:757a:7a6c:0:0:0:0:1/48"), asked.addresses.map { it.toString() })
        assertEquals(listOf("198.18.0.2", "fd6d:757a:7a6c:0:0:0:0:2"), asked.dnsServers)
        assertEquals(listOf("198.18.0.0/15", "fd6d:757a:7a6c:0:0:0:0:0/48"), asked.routes.map { it.destination.toString() })
        assertEquals(setOf(app.packageName, BANK), asked.disallowedApplications.toSet())
        assertNull(asked.allowedApplications)
        assertFalse(asked.blocking || asked.isMetered)
        assertNull(asked.underlyingNetworks)
        assertTrue(graph.settings.now.wanted)
    }

    @Test
    fun whereOnlyChosenAppsAreCoveredNobodyElseIsInside() {
        graph.settings.update { it.copy(default = AppSetting.OFF, apps = mapOf(BANK to AppSetting.RECORD)) }
        turnedOn()
        assertEquals(listOf(BANK), SystemTun.asked.single().allowedApplications)
        assertNull(SystemTun.asked.single().disallowedApplications)
    }

    @Test
    fun theNotificationCountsWhatWasStoppedToday() {
        File(System.getProperty("muzzle.seed")!!).copyTo(db)
        graph.settings.update { it.copy(retentionDays = 0) }
        val stopped = stoppedToday(graph)
        assertTrue("$stopped", stopped > 0)
        turnedOn()
        assertEquals("Protected · $stopped stopped today", title(notification(Notices.RUNNING_ID)))
    }

    @Test
    fun aPauseEndsByItselfAndStopEndsAll() {
        val service = turnedOn()
        assertEquals(listOf("Pause 15 min", "Stop"), actions(notification(Notices.RUNNING_ID)))
        service.get().onStartCommand(Intent(MuzzleService.ACTION_PAUSE), 0, 2)
        val until = now + 15 * 60_000
        assertEquals(ProtectionState.Paused(until), graph.protection.state)
        assertEquals(until, graph.settings.now.pausedUntil)
        assertEquals(until, graph.core.snapshot().getJSONObject("policy").getLong("paused_until"))
        assertEquals(listOf("Resume", "Stop"), actions(notification(Notices.RUNNING_ID)))
        graph.clock.now = graph.clock.now.plusSeconds(900)
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMinutes(15))
        assertTrue(graph.protection.state is ProtectionState.On)
        assertNull(graph.settings.now.pausedUntil)
        assertFalse(graph.core.snapshot().getJSONObject("policy").has("paused_until"))
        service.get().onStartCommand(Intent(MuzzleService.ACTION_STOP), 0, 3)
        assertEquals(ProtectionState.Off, graph.protection.state)
        assertTrue(shadowOf(service.get()).isStoppedBySelf)
        assertEquals("detached", graph.core.plane())
        assertFalse(graph.settings.now.wanted)
        assertNull(mark.read())
    }

    @Test
    fun aPauseIsEndedByATap() {
        val service = turnedOn()
        val since = graph.protection.state
        service.get().onStartCommand(Intent(MuzzleService.ACTION_PAUSE), 0, 2)
        service.get().onStartCommand(Intent(MuzzleService.ACTION_RESUME), 0, 3)
        assertEquals(since, graph.protection.state)
    }

    @Test
    fun anotherReachOrAppOutsideTakesTheTunsPlaceWhileItRuns() {
        turnedOn()
        val since = graph.protection.state
        graph.settings.update { it.copy(default = AppSetting.RECORD) }
        assertEquals(1, SystemTun.asked.size)
        graph.settings.update { it.copy(reach = Reach.DEEP) }
        assertEquals(listOf("0.0.0.0/0", "0:0:0:0:0:0:0:0/0"), SystemTun.asked.last().routes.map { it.destination.toString() })
        graph.settings.update { it.copy(apps = mapOf(BANK to AppSetting.OFF)) }
        settle()
        assertEquals(3, SystemTun.asked.size)
        assertEquals(since, graph.protection.state)
        assertEquals("running", graph.core.plane())
    }

    @Test
    fun anAppOutsideThatIsInstalledAgainIsOutsideAgain() {
        graph.settings.update { it.copy(apps = mapOf(BANK to AppSetting.OFF)) }
        turnedOn()
        for (name in listOf("com.example.other", BANK)) {
            app.sendBroadcast(Intent(Intent.ACTION_PACKAGE_ADDED, Uri.fromParts("package", name, null)))
            settle()
        }
        assertEquals(2, SystemTun.asked.size)
        assertEquals("running", graph.core.plane())
    }

    @Test
    fun aRevokedVpnLeavesAGapThatEndsWithTheNextStart() {
        val service = turnedOn()
        later(60)
        val revoked = now
        service.get().onRevoke()
        assertEquals(ProtectionState.Failed(Trouble.REVOKED), graph.protection.state)
        assertTrue(graph.settings.now.wanted)
        assertTrue(shadowOf(service.get()).isStoppedBySelf)
        assertEquals("detached", graph.core.plane())
        assertEquals("Not protected", title(notification(Notices.TROUBLE_ID)))
        assertEquals(listOf(Triple(revoked, null, "revoked")), gaps())
        service.destroy()
        later(60)
        turnedOn()
        assertEquals(listOf(Triple(revoked, now, "revoked")), gaps())
        assertNull(notification(Notices.TROUBLE_ID))
    }

    @Test
    fun aServiceThatTheSystemEndsIsSaid() {
        val service = turnedOn()
        service.destroy()
        assertEquals(ProtectionState.Failed(Trouble.NO_TUN), graph.protection.state)
        assertEquals(listOf(Triple(now, null, "no-tun")), gaps())
        assertEquals("Not protected", title(notification(Notices.TROUBLE_ID)))
    }

    @Test
    fun whatTheSystemRefusesIsSaidInItsOwnWay() {
        SystemTun.next = { null }
        turnedOn()
        assertEquals(ProtectionState.Failed(Trouble.NOT_GRANTED), graph.protection.state)
        SystemTun.next = { error("no") }
        turnedOn()
        assertEquals(ProtectionState.Failed(Trouble.NO_TUN), graph.protection.state)
        SystemTun.next = { plainFile() }
        turnedOn()
        assertEquals(ProtectionState.Failed(Trouble.NO_TUN), graph.protection.state)
        ShadowVpnService.setPrepareResult(Intent("ask"))
        graph.protection.start()
        assertEquals(ProtectionState.Failed(Trouble.NOT_GRANTED), graph.protection.state)
        assertNull(startedService())
    }

    @Test
    fun aLogThatCannotBeReadIsPutAsideAndProtectionRuns() {
        val words = "this is no database, and it is long enough to tell. ".repeat(40)
        db.writeText(words)
        turnedOn()
        assertEquals(ProtectionState.On(now), graph.protection.state)
        val aside = checkNotNull(graph.logFiles.damaged())
        assertEquals(words, aside.readText())
        assertEquals(0, graph.core.store().events)
        graph.wipe()
        assertNull(graph.logFiles.damaged())
        assertEquals("running", graph.core.plane())
    }

    @Test
    fun aLogOfANewerVersionIsLeftAloneUntilTheOwnerWipesIt() {
        opens = false
        File(System.getProperty("muzzle.seed")!!).copyTo(db)
        val flags = SQLiteDatabase.OPEN_READWRITE or SQLiteDatabase.NO_LOCALIZED_COLLATORS
        SQLiteDatabase.openDatabase(db.path, null, flags).use { it.execSQL("PRAGMA user_version = 99") }
        turnedOn()
        assertEquals(ProtectionState.Failed(Trouble.NO_STORE), graph.protection.state)
        assertTrue(db.length() > 100_000)
        graph.wipe()
        opens = true
        assertEquals(0, graph.core.store().events)
        turnedOn()
        assertEquals(ProtectionState.On(now), graph.protection.state)
    }

    @Test
    fun alwaysOnStartsWhatWasNotWanted() {
        service(Intent(VpnService.SERVICE_INTERFACE))
        assertEquals(ProtectionState.On(now), graph.protection.state)
        assertTrue(graph.settings.now.wanted)
    }

    @Test
    fun aServiceThatTheSystemStartsThoughNobodyWantsItEnds() {
        val service = service(Intent())
        assertTrue(shadowOf(service.get()).isStoppedBySelf)
        assertTrue(SystemTun.asked.isEmpty())
    }

    @Test
    fun afterABootWhatWasWantedStartsAgainWithItsGap() {
        val alive = now - 3_600_000
        graph.settings.update { it.copy(wanted = true) }
        mark.write(AliveMark.Mark(alive))
        BootReceiver().onReceive(app, Intent("com.example.OTHER"))
        assertNull(startedService())
        BootReceiver().onReceive(app, Intent(Intent.ACTION_BOOT_COMPLETED))
        assertEquals(ProtectionState.Starting, graph.protection.state)
        service(checkNotNull(startedService()))
        assertEquals(listOf(Triple(alive, now, "boot")), gaps())
        assertEquals(AliveMark.Mark(now), mark.read())
    }

    @Test
    fun aProcessThatWasKilledIsStartedAgainByTheSystemWithItsGap() {
        later(7_200)
        val killed = now - 3 * 60_000
        killedAt(killed)
        val again = Robolectric.buildService(MuzzleService::class.java).create()
        assertEquals("the system starts it again", android.app.Service.START_STICKY, again.get().onStartCommand(null, 0, 1))
        settle()
        assertEquals(ProtectionState.On(now), graph.protection.state)
        assertEquals(listOf(Triple(killed, now, "killed")), gaps())
        assertEquals("running", graph.core.plane())
    }

    /** Another process of ours ran until then, and had no time to say anything. */
    private fun killedAt(time: Long) {
        val before = RealGraph(app)
        before.clock.now = java.time.Instant.ofEpochMilli(time)
        before.guard.start()
        checkNotNull(startedService())
        before.guard.serviceUp(
            object : Tunnels {
                override fun establish(plan: Plan) = pipe().detachFd()

                override fun end() = Unit
            },
            bySystem = false,
        )
        assertEquals(ProtectionState.On(time), before.guard.state)
        before.core.close()
    }

    @Test
    fun aPhoneThatIsSwitchedOffIsMissedFromItsStart() {
        turnedOn()
        later(30)
        app.sendBroadcast(Intent(Intent.ACTION_SHUTDOWN))
        settle()
        assertEquals(AliveMark.Mark(now, shutdown = true), mark.read())
    }

    @Test
    fun theMinuteThatRanIsMarked() {
        turnedOn()
        graph.clock.now = graph.clock.now.plusSeconds(60)
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMinutes(1))
        assertEquals(AliveMark.Mark(now), mark.read())
    }

    @Test
    fun anAndroidThatNobodyKnowsYetIsTakenForTheNewestKnown() {
        ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", 99)
        turnedOn()
        assertEquals(ProtectionState.On(now), graph.protection.state)
        assertEquals("running", graph.core.plane())
        assertNotNull(notification(Notices.RUNNING_ID))
    }

    @Test
    fun theOldestAndroidIsAskedForNothingNewer() {
        ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", Build.VERSION_CODES.O)
        turnedOn()
        assertEquals(ProtectionState.On(now), graph.protection.state)
        assertTrue("a VPN counts as metered there", SystemTun.asked.single().isMetered)
        val nobody = graph.upcalls.connectionOwner(6, ByteArray(4), 1, ByteArray(4), 2)
        assertEquals(-1, nobody)
    }

    @Test
    fun theTileSaysHowItIsAndPausesResumesAndTurnsOn() {
        val tile = Robolectric.buildService(MuzzleTile::class.java).create().get()
        tile.onStartListening()
        assertEquals("Not protected", tile.qsTile.label)
        tile.onClick()
        service(checkNotNull(startedService()))
        assertEquals("Protected", tile.qsTile.label)
        assertEquals(android.service.quicksettings.Tile.STATE_ACTIVE, tile.qsTile.state)
        tile.onClick()
        assertTrue(graph.protection.state is ProtectionState.Paused)
        assertEquals(android.service.quicksettings.Tile.STATE_INACTIVE, tile.qsTile.state)
        tile.onClick()
        assertTrue(graph.protection.state is ProtectionState.On)
        tile.onStopListening()
    }

    @Test
    fun theTileOpensTheAppWhereTheVpnIsNotGranted() {
        ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", Build.VERSION_CODES.TIRAMISU)
        ShadowVpnService.setPrepareResult(Intent("ask"))
        val tile = Robolectric.buildService(MuzzleTile::class.java).create().get()
        tile.onClick()
        assertEquals(MainActivity::class.java.name, shadowOf(app).nextStartedActivity.component?.className)
        assertEquals(ProtectionState.Off, graph.protection.state)
    }

    private companion object {
        const val BANK = "com.example.bank"
    }
}
