plugins {
    alias(libs.plugins.android.application)
}

fun number(version: Provider<String>) = version.get().toInt()

android {
    namespace = "app.muzzle"
    compileSdk = number(libs.versions.compileSdk)

    defaultConfig {
        applicationId = "app.muzzle"
        minSdk = number(libs.versions.minSdk)
        targetSdk = number(libs.versions.targetSdk)
        versionCode = number(libs.versions.versionCode)
        versionName = libs.versions.versionName.get()
        ndk { abiFilters += listOf("arm64-v8a", "armeabi-v7a", "x86_64") }
    }
    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("rules.pro")
        }
    }
    sourceSets["main"].jniLibs.srcDir("../build/android/lib")
}

val core by tasks.registering(Exec::class) {
    commandLine("../scripts/build-core")
}

tasks.named("preBuild") { dependsOn(core) }

dependencies {
    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
}
